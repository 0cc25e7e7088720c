"""The rule that picks batches, and the turns of the streams."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import assume, given
from hypothesis import strategies as st

from inference_service.batching import Limits, Request, Turns, choose_batch

seconds = st.floats(0.1, 30)
requests = st.builds(Request, seconds=seconds, turn=st.floats(0, 1000), max_rows=st.sampled_from([0, 0, 0, 1, 2, 5]))
limits = st.builds(
    Limits,
    seconds=st.floats(1, 120),
    rows=st.integers(1, 32),
    concurrent_seconds=st.floats(1, 240) | st.just(float("inf")),
)


def lasting(*lengths: float) -> list[Request]:
    """Requests in the order of their turns."""
    return [Request(length, turn) for turn, length in enumerate(lengths)]


def lengths_of(batch: tuple[int, ...], waiting: list[Request]) -> list[float]:
    return sorted(waiting[index].seconds for index in batch)


@given(st.lists(requests, max_size=40), limits, st.floats(0, 200))
def test_a_batch_keeps_every_limit_or_is_one_request_alone(
    waiting: list[Request], limits: Limits, running: float
) -> None:
    batch = choose_batch(waiting, limits, running)
    assert len(set(batch)) == len(batch)
    if len(batch) > 1:
        rows = [waiting[index] for index in batch]
        padded = len(rows) * max(row.seconds for row in rows)
        assert padded <= limits.seconds
        assert padded + running <= limits.concurrent_seconds + 1e-6
        assert len(rows) <= limits.rows
        assert all(not row.max_rows or len(rows) <= row.max_rows for row in rows)


@given(st.lists(requests, min_size=1, max_size=40), limits)
def test_the_request_whose_turn_it_is_is_always_in_the_batch(waiting: list[Request], limits: Limits) -> None:
    batch = choose_batch(waiting, limits)
    assert waiting[batch[0]].turn == min(request.turn for request in waiting)


@given(st.lists(requests, max_size=60), limits)
def test_everything_is_served_once_however_odd_the_requests(waiting: list[Request], limits: Limits) -> None:
    left, served = list(waiting), 0
    while left:
        batch = choose_batch(left, limits)
        assert batch
        served += len(batch)
        left = [each for index, each in enumerate(left) if index not in batch]
    assert served == len(waiting)


@given(st.lists(requests, min_size=1, max_size=40), limits, st.floats(0.1, 300))
def test_what_does_not_fit_beside_the_running_batches_waits(
    waiting: list[Request], limits: Limits, running: float
) -> None:
    anchor = min(waiting, key=lambda request: request.turn)
    assume(len({request.turn for request in waiting}) == len(waiting))
    fits = running + anchor.seconds <= limits.concurrent_seconds
    assert bool(choose_batch(waiting, limits, running)) == fits


def test_the_nearest_lengths_join() -> None:
    waiting = lasting(5, 1, 5.5, 12, 4.5, 29)
    assert lengths_of(choose_batch(waiting, Limits(seconds=17, rows=8)), waiting) == [4.5, 5, 5.5]


def test_a_request_over_the_budget_runs_alone() -> None:
    assert choose_batch(lasting(29, 1, 1), Limits(seconds=10, rows=8)) == (0,)


def test_one_row_is_the_limit_where_batching_buys_nothing() -> None:
    assert choose_batch(lasting(3, 3, 3), Limits(seconds=60, rows=1)) == (0,)


def test_a_request_is_never_in_a_larger_batch_than_its_caller_wants() -> None:
    waiting = [Request(3, 0), Request(3, 1, max_rows=2), Request(3, 2), Request(3, 3)]
    assert len(choose_batch(waiting, Limits(seconds=60, rows=8))) == 2


def test_mixed_lengths_are_computed_with_little_padding() -> None:
    waiting = lasting(*(1 + (7919 * i % 290) / 10 for i in range(300)))
    real = padded = 0.0
    while waiting:
        batch = choose_batch(waiting, Limits(seconds=60, rows=64))
        rows = lengths_of(batch, waiting)
        real += sum(rows)
        padded += len(rows) * rows[-1]
        waiting = [each for index, each in enumerate(waiting) if index not in batch]
    assert 1 - real / padded < 0.10


@given(st.lists(seconds, min_size=1, max_size=30))
def test_a_stream_alone_is_served_in_the_order_of_arrival(lengths: list[float]) -> None:
    turns = Turns()
    taken = [turns.take("a", length) for length in lengths]
    assert taken == sorted(taken)
    assert len(set(taken)) == len(taken)


def test_a_late_and_short_stream_does_not_wait_for_a_long_queue() -> None:
    turns = Turns()
    queue = [(turns.take("bulk", 10), "bulk") for _ in range(100)]
    served = []
    for _ in range(20):
        queue.sort()
        turn, stream = queue.pop(0)
        turns.serve(turn)
        served.append(stream)
        if len(served) == 10:
            queue += [(turns.take("late", 10), "late") for _ in range(3)]
    assert served[10:].count("late") == 3
    assert "late" in served[10:12]


def test_streams_share_by_seconds_and_not_by_number() -> None:
    turns = Turns()
    queue = [
        (turns.take(stream, length), stream, length) for stream, length in (("a", 2), ("b", 10)) for _ in range(100)
    ]
    served: dict[str, float] = defaultdict(float)
    for turn, stream, length in sorted(queue)[:60]:
        turns.serve(turn)
        served[stream] += length
    assert abs(served["a"] - served["b"]) <= 10
