"""What waits: the rule and the turns together, over long simulated runs."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_service.scheduling.batching import Batch, Limits, Request, Running, Sharing
from inference_service.scheduling.queue import Queue
from thanosql.types import Priority

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE
LIMITS = Limits(seconds=60.0, rows=64)
IDLE = Running(workers=1)


def speech_lengths(count: int, seed: int = 0) -> list[float]:
    """Lengths as of read sentences: from 1 to 30 s, mostly under 16."""
    lengths = np.random.default_rng(seed).gamma(2.2, 4.5, count)
    return [float(each) for each in np.clip(lengths, 1.0, 30.0)]


def take(queue: Queue, now: float = 0.0, running: Running = IDLE) -> Batch:
    batch = queue.take(now, running)
    assert isinstance(batch, Batch)
    return batch


def drain(queue: Queue) -> list[Batch]:
    batches = []
    while len(queue):
        batches.append(take(queue))
    return batches


@dataclass
class Machine:
    """A queue before workers that compute one second of audio in a tenth of one; the time is made up."""

    workers: int = 1
    limits: Limits = LIMITS
    sharing: Sharing = field(default_factory=Sharing)
    rate: float = 10.0

    def run(self, arrivals: Iterable[tuple[float, str, Priority, float]], seconds: float) -> list[tuple[float, Batch]]:
        """The batches with the times at which they began, of requests `(time, stream, class, length)`."""
        queue, now = Queue(self.limits, self.sharing), 0.0
        coming = sorted(arrivals, reverse=True)
        running: list[tuple[float, int, Batch]] = []
        begun: list[tuple[float, Batch]] = []
        while now < seconds:
            while coming and coming[-1][0] <= now:
                _, stream, priority, length = coming.pop()
                queue.put(length, now=now, stream=stream, priority=priority)
            while running and running[0][0] <= now:
                heapq.heappop(running)
            until = math.inf
            while len(running) < self.workers:
                bulk = sum(batch.rows[0].priority is BULK for _, _, batch in running)
                padded = sum(batch.padded_seconds for _, _, batch in running)
                chosen = queue.take(now, Running(self.workers, bulk, len(running) - bulk, padded))
                if isinstance(chosen, float):
                    until = chosen
                    break
                begun.append((now, chosen))
                heapq.heappush(running, (now + chosen.padded_seconds / self.rate, len(begun), chosen))
            following = [until, *([coming[-1][0]] if coming else []), *([running[0][0]] if running else [])]
            assert min(following) > now
            now = min(following)
        return begun


def backlog(priority: Priority, lengths: Iterable[float], stream: str = "") -> list[tuple[float, str, Priority, float]]:
    return [(0.0, stream or priority.value, priority, length) for length in lengths]


def computed(begun: Iterable[tuple[float, Batch]]) -> dict[Priority, float]:
    totals = dict.fromkeys(Priority, 0.0)
    for _, batch in begun:
        for row in batch.rows:
            totals[row.priority] += row.seconds
    return totals


waiting = st.lists(
    st.tuples(st.floats(0.1, 40), st.sampled_from(Priority), st.sampled_from("abc"), st.sampled_from([0, 0, 0, 1, 3])),
    max_size=60,
)


@given(waiting, st.floats(1, 80), st.integers(1, 16))
def test_every_request_is_in_exactly_one_batch(
    waiting: list[tuple[float, Priority, str, int]], budget: float, rows: int
) -> None:
    queue = Queue(Limits(budget, rows), Sharing())
    put = [queue.put(s, now=0.0, priority=p, stream=stream, max_rows=most) for s, p, stream, most in waiting]
    batches = drain(queue)
    assert sorted(row.number for batch in batches for row in batch.rows) == [each.number for each in put]
    assert all(len(b.rows) == 1 or b.padded_seconds <= budget for b in batches)
    assert queue.seconds() == 0.0


@given(waiting, st.data())
def test_what_is_taken_out_is_in_no_batch_and_weighs_nothing(
    waiting: list[tuple[float, Priority, str, int]], data: st.DataObject
) -> None:
    queue = Queue(LIMITS, Sharing())
    put = [
        queue.put(s, now=0.0, priority=p, stream=stream, deadline=data.draw(st.sampled_from([5.0, math.inf])))
        for s, p, stream, _ in waiting
    ]
    gone = {each for each in put if data.draw(st.booleans()) and queue.remove(each)}
    gone |= set(queue.withdraw("a")) | set(queue.expire(5.0))
    assert {each for each in put if each.stream == "a" or each.deadline == 5.0} <= gone
    left = [each for each in put if each not in gone]
    for priority in Priority:
        assert queue.seconds(priority) == pytest.approx(sum(e.seconds for e in left if e.priority is priority))
    assert {row for batch in drain(queue) for row in batch.rows} == set(left)
    assert not any(queue.remove(each) for each in put)
    assert queue.next_deadline == math.inf


@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=60))
def test_a_stream_alone_is_anchored_in_the_order_of_arrival(lengths: list[float]) -> None:
    queue = Queue(LIMITS, Sharing())
    for each in lengths:
        queue.put(each, now=0.0)
    anchors = [batch.rows[0].number for batch in drain(queue)]
    assert anchors == sorted(anchors)


def test_deadlines_are_noticed_in_their_order_and_not_before() -> None:
    queue = Queue(LIMITS, Sharing())
    first, second = (queue.put(1.0, now=0.0, deadline=deadline) for deadline in (7.0, 5.0))
    assert queue.next_deadline == 5.0
    assert queue.expire(4.9) == []
    assert queue.expire(5.0) == [second]
    assert queue.expire(99.0) == [first]


def test_mixed_lengths_are_computed_with_little_padding() -> None:
    queue = Queue(LIMITS, Sharing())
    lengths = speech_lengths(2000)
    for each in lengths:
        queue.put(each, now=0.0)
    batches = drain(queue)
    padded = sum(batch.padded_seconds for batch in batches)
    in_order = sum(16 * max(lengths[i : i + 16]) for i in range(0, len(lengths), 16))
    assert padded / sum(lengths) - 1 < 0.06
    assert in_order / sum(lengths) - 1 > 0.6
    assert max(batch.padded_seconds for batch in batches) <= 60.0


def test_a_queue_that_is_fed_while_it_is_served_pads_little_too() -> None:
    lengths = speech_lengths(4000, seed=1)
    queue, padded = Queue(LIMITS, Sharing()), 0.0
    for number, each in enumerate(lengths):
        queue.put(each, now=0.0)
        # 300 s wait, as the admission lets a stream have.
        while queue.seconds() > 300 or (number == len(lengths) - 1 and len(queue)):
            padded += take(queue).padded_seconds
    assert padded / sum(lengths) - 1 < 0.12


@given(st.sampled_from([0.1, 0.2, 0.5]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 64]), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_bulk_keeps_its_floor_and_interactive_the_rest(share: float, workers: int, rows: int, seed: int) -> None:
    machine = Machine(workers, Limits(60.0, rows), Sharing(bulk_share=share))
    load = backlog(BULK, speech_lengths(1500, seed)) + backlog(INTERACTIVE, speech_lengths(1500, seed + 9))
    totals = computed(machine.run(load, seconds=300 / workers))
    bulk = totals[BULK] / sum(totals.values())
    # Bulk gets more where it fills what interactive batches leave.
    assert share - 0.05 <= bulk
    assert bulk <= max(share, 1 / workers if workers > 1 else 0) + (0.1 if rows == 1 else 0.4)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 64])
def test_an_interactive_call_waits_no_longer_than_for_a_capped_batch(workers: int, rows: int) -> None:
    machine = Machine(workers, Limits(60.0, rows))
    # A batch with what fills it up lasts for 1.5 s, so no call meets another one.
    times = 1.0 + np.cumsum(np.random.default_rng(7).uniform(3.2, 4.8, 60))
    calls = [(float(at), f"call {at}", INTERACTIVE, 3.0) for at in times]
    bulk = backlog(BULK, [min(each, 15.0) for each in speech_lengths(3000)])
    begun = machine.run(bulk + calls, seconds=float(times[-1]) + 2)
    # The first one may meet a batch that is not capped yet.
    waits = [at - row.arrival for at, batch in begun for row in batch.rows if row.priority is INTERACTIVE][1:]
    assert len(waits) == 59
    assert max(waits) <= 60.0 * machine.sharing.bulk_cap / machine.rate
    if workers > 1:
        assert max(waits) == 0.0
    assert computed(begun)[BULK] > 0.35 * workers * times[-1] * machine.rate


def test_an_interactive_call_meets_a_free_worker_while_calls_are_about() -> None:
    machine = Machine(workers=2, limits=Limits(60.0, 1))
    calls = [(float(at), "caller", INTERACTIVE, 3.0) for at in range(1, 60)]
    begun = machine.run(backlog(BULK, [15.0] * 1000) + calls, seconds=60)
    waits = {at - row.arrival for at, batch in begun for row in batch.rows if row.priority is INTERACTIVE}
    assert sum(wait > 0 for wait in waits) <= 1
    assert computed(begun)[BULK] > 0.4 * 2 * 60 * machine.rate


def test_bulk_has_every_worker_when_no_call_came_lately() -> None:
    machine = Machine(workers=2, limits=Limits(60.0, 1), sharing=Sharing(recent_seconds=2.0))
    begun = machine.run([*backlog(BULK, [10.0] * 1000), (0.0, "caller", INTERACTIVE, 1.0)], seconds=50)
    assert computed(begun)[BULK] > 0.95 * 2 * 50 * machine.rate - 20


@given(st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_streams_of_a_class_share_by_seconds_and_not_by_number(seed: int) -> None:
    short = backlog(BULK, [2.0] * 3000, "short")
    long = backlog(BULK, [min(15.0, each * 2) for each in speech_lengths(800, seed)], "long")
    served: dict[object, float] = defaultdict(float)
    for _, batch in Machine().run(short + long, seconds=200):
        for row in batch.rows:
            served[row.stream] += row.seconds
    assert abs(served["short"] - served["long"]) <= 2 * LIMITS.seconds


def test_a_late_and_short_stream_does_not_wait_for_a_long_queue() -> None:
    late = [(50.0, "late", BULK, 10.0)] * 3
    begun = Machine().run(backlog(BULK, [10.0] * 1000, "long") + late, seconds=80)
    waits = [at - 50 for at, batch in begun for row in batch.rows if row.stream == "late"]
    assert len(waits) == 3
    # A hundred batches of the other stream wait.
    assert max(waits) <= 4 * LIMITS.seconds / 10


def test_a_batch_waits_for_company_where_a_delay_is_set_and_no_longer() -> None:
    queue = Queue(LIMITS, Sharing(delay_seconds=0.05))
    queue.put(1.0, now=10.0)
    assert queue.take(10.0, IDLE) == pytest.approx(10.05)
    queue.put(1.0, now=10.04)
    assert queue.take(10.04, IDLE) == pytest.approx(10.05)
    assert len(take(queue, 10.05).rows) == 2


def test_a_full_batch_waits_for_nobody() -> None:
    queue = Queue(Limits(60.0, 2), Sharing(delay_seconds=5.0))
    queue.put(1.0, now=0.0)
    queue.put(1.0, now=0.0)
    assert len(take(queue).rows) == 2


def test_the_seconds_before_a_request_are_those_of_its_turn_and_its_class() -> None:
    queue = Queue(LIMITS, Sharing(bulk_share=0.25))
    for _ in range(10):
        queue.put(10.0, now=0.0, stream="long")
    assert queue.seconds_before(BULK, "long", 1.0) == 100.0
    assert queue.seconds_before(BULK, "new", 1.0) == 1.0
    assert queue.seconds_before(INTERACTIVE, "call", 1.0) == 0.0
    for _ in range(3):
        queue.put(10.0, now=0.0, stream="call", priority=INTERACTIVE)
    # Interactive has three quarters, and 30 s before the next one.
    assert queue.seconds_before(INTERACTIVE, "call", 1.0) == 40.0
    assert queue.seconds_before(BULK, "long", 1.0) == 130.0
    assert queue.seconds_before(BULK, "new", 1.0) == 4.0


class CountingRequest(float):
    """A length that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        CountingRequest.compared += 1
        return super().__lt__(other)


def test_a_batch_costs_no_more_when_thousands_wait() -> None:
    def count(waiting: int) -> float:
        queue = Queue(LIMITS, Sharing())
        for number, each in enumerate(speech_lengths(waiting)):
            queue.put(CountingRequest(each), now=0.0, stream=number % 50)
        CountingRequest.compared = 0
        rows = sum(len(take(queue).rows) for _ in range(10))
        return CountingRequest.compared / rows

    few, many = count(200), count(20_000)
    assert many < 3 * few


def make_request(number: int) -> Request:
    return Request(number, 1.0)


def test_a_request_that_never_waited_is_not_removed() -> None:
    assert not Queue(LIMITS, Sharing()).remove(make_request(7))
