"""The threads that compute, with an engine that computes nothing and can be held up."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest

from inference_service.engines.engine import Termination
from inference_service.monitoring.figures import Closed, ModelFigures
from inference_service.scheduling.batcher import Batcher
from inference_service.scheduling.batching import Limits, Sharing
from inference_service.speech.decode import FrameScores
from thanosql.errors import Cancelled, TimedOut, Unavailable
from thanosql.types import Priority

RATE = 100


class GatedEngine:
    """Answers each row with its first sample; every batch waits for `gate`. A row of -1 is more than it can take."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.stopped: list[list[int]] = []
        """Batches that were terminated."""

    def run(
        self,
        rows: Sequence[np.ndarray],
        *,
        log_probs: bool = False,
        free_memory: bool = False,
        termination: Termination | None = None,
    ) -> list[FrameScores]:
        numbers = [int(row[0]) for row in rows]
        self.batches.append(numbers)
        assert termination is not None
        with termination.means(self.gate.release):
            self.begun.release()
            assert self.gate.acquire(timeout=10)
        if termination.is_requested:
            self.stopped.append(numbers)
            raise Cancelled("stopped")
        if -1 in numbers:
            raise MemoryError("too much")
        scores = np.zeros(1, np.float32)
        return [FrameScores(row[:1].astype(np.int64), scores, scores[None] if log_probs else None) for row in rows]

    def close(self) -> None:
        pass


def clip(number: int, seconds: float = 1.0) -> np.ndarray:
    return np.full(round(seconds * RATE), number, np.float32)


def answer(future: Future[FrameScores]) -> int:
    return int(future.result(timeout=10).tokens[0])


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


def make_batcher(
    engine: GatedEngine,
    *,
    workers: int = 1,
    clock: Callable[[], float] = time.monotonic,
    sharing: Sharing | None = None,
    concurrent_seconds: float = math.inf,
) -> Batcher:
    return Batcher(
        engine,
        sample_rate=RATE,
        limits=Limits(seconds=4.0, rows=8, concurrent_seconds=concurrent_seconds),
        workers=workers,
        clock=clock,
        name="test",
        figures=ModelFigures(),
        sharing=sharing,
    )


@pytest.fixture
def batcher(engine: GatedEngine) -> Iterator[Batcher]:
    batcher = make_batcher(engine)
    yield batcher
    batcher.close()
    engine.gate.release(100)
    batcher.join()


def hold_up(engine: GatedEngine, batcher: Batcher) -> Future[FrameScores]:
    """Keeps the only worker busy, so that what comes next waits."""
    future = batcher.submit("first", clip(0))
    assert engine.begun.acquire(timeout=10)
    return future


def test_what_came_while_the_engine_was_busy_makes_one_batch(engine: GatedEngine, batcher: Batcher) -> None:
    first = hold_up(engine, batcher)
    others = [batcher.submit("a", clip(number)) for number in (1, 2, 3)]
    engine.gate.release(2)
    assert [answer(each) for each in (first, *others)] == [0, 1, 2, 3]
    assert engine.batches == [[0], [1, 2, 3]]


def test_samples_are_let_go_of_with_the_answer_and_not_when_garbage_is_collected(
    engine: GatedEngine, batcher: Batcher
) -> None:
    gc.disable()
    try:
        samples = clip(5)
        held = weakref.ref(samples)
        future = batcher.submit("a", samples)
        del samples
        engine.gate.release()
        assert answer(future) == 5
        while held() is not None:  # the worker is about to put them down; the test's time limit ends this
            time.sleep(0.001)
    finally:
        gc.enable()


def test_nobody_waits_for_company(engine: GatedEngine, batcher: Batcher) -> None:
    engine.gate.release()
    assert answer(batcher.submit("a", clip(5))) == 5


def test_a_stream_that_ends_takes_its_clips_out_of_the_queue_at_once(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    dead = batcher.submit("dead", clip(1))
    living = batcher.submit("living", clip(2))
    batcher.withdraw("dead")
    assert batcher.waiting_seconds == 1.0
    with pytest.raises(CancelledError):
        dead.result(timeout=0)
    engine.gate.release(2)
    assert answer(living) == 2
    assert engine.batches == [[0], [2]]


def test_a_clip_that_is_given_up_is_not_computed(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    given_up, living = batcher.submit("a", clip(1)), batcher.submit("a", clip(2))
    assert given_up.cancel()
    engine.gate.release(2)
    assert answer(living) == 2
    assert engine.batches == [[0], [2]]


def test_a_row_that_fails_does_not_fail_its_batch(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    good, bad, also_good = (batcher.submit("a", clip(number)) for number in (1, -1, 2))
    engine.gate.release(10)
    assert (answer(good), answer(also_good)) == (1, 2)
    with pytest.raises(MemoryError):
        bad.result(timeout=10)
    assert engine.batches == [[0], [1, -1, 2], [1], [-1], [2]]


def test_a_clip_is_in_no_larger_batch_than_its_stream_wants(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    futures = [batcher.submit("a", clip(number), max_rows=2) for number in (1, 2, 3)]
    engine.gate.release(10)
    assert [answer(each) for each in futures] == [1, 2, 3]
    assert engine.batches == [[0], [1, 2], [3]]


def test_the_seconds_that_are_computed_at_once_are_bounded(engine: GatedEngine) -> None:
    batcher = make_batcher(engine, workers=2, concurrent_seconds=5.0)
    long, longer, short = (batcher.submit("a", clip(n, seconds)) for n, seconds in ((1, 3.0), (2, 4.0), (3, 1.0)))
    assert engine.begun.acquire(timeout=10)
    assert not engine.begun.acquire(timeout=0.1)
    engine.gate.release(10)
    assert [answer(each) for each in (long, longer, short)] == [1, 2, 3]
    batcher.close()
    batcher.join()


def test_closing_fails_what_waits_and_lets_what_runs_end(engine: GatedEngine, batcher: Batcher) -> None:
    running = hold_up(engine, batcher)
    waiting = batcher.submit("a", clip(1))
    batcher.close()
    with pytest.raises(Unavailable):
        waiting.result(timeout=10)
    engine.gate.release()
    assert answer(running) == 0
    with pytest.raises(Unavailable):
        batcher.submit("a", clip(2))


def test_the_figures_count_batches_and_padding(engine: GatedEngine) -> None:
    figures, now = ModelFigures(), [10.0]
    batcher = Batcher(
        engine,
        sample_rate=RATE,
        limits=Limits(seconds=4.0, rows=8),
        workers=1,
        clock=lambda: now[0],
        name="test",
        figures=figures,
    )
    hold_up(engine, batcher)
    futures = [batcher.submit("a", clip(1, 1.0)), batcher.submit("a", clip(2, 1.5)), batcher.submit("a", clip(3, 4.0))]
    now[0] = 13.0
    engine.gate.release(3)
    for each in futures:
        answer(each)
    sums = figures.sums
    assert (sums.batches, sums.rows, sums.audio_seconds, sums.padded_seconds) == (3, 4, 7.5, 8.0)
    assert sums.compute_seconds == 3.0
    assert sums.queue_seconds == 9.0
    assert sums.closed == {Closed.EMPTY: 2, Closed.BUDGET: 1}
    batcher.close()
    batcher.join()


def test_what_is_given_up_while_it_is_computed_disturbs_nobody_in_its_batch(
    engine: GatedEngine, batcher: Batcher
) -> None:
    hold_up(engine, batcher)
    given_up, living = batcher.submit("a", clip(1)), batcher.submit("b", clip(2))
    engine.gate.release()
    assert engine.begun.acquire(timeout=10)
    assert given_up.cancel()
    engine.gate.release()
    assert answer(living) == 2
    assert engine.batches == [[0], [1, 2]]
    assert engine.stopped == []


def test_a_batch_that_nobody_waits_for_is_stopped_and_not_tried_again(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    given_up = [batcher.submit("a", clip(1)), batcher.submit("b", clip(2))]
    engine.gate.release()
    assert engine.begun.acquire(timeout=10)
    assert all(each.cancel() for each in given_up)
    # Nothing opens the gate but the termination.
    later = batcher.submit("a", clip(3))
    assert engine.begun.acquire(timeout=10)
    engine.gate.release()
    assert answer(later) == 3
    assert engine.batches == [[0], [1, 2], [3]]
    assert engine.stopped == [[1, 2]]


def test_a_stream_that_ends_stops_the_batch_of_which_it_was_the_only_user(
    engine: GatedEngine, batcher: Batcher
) -> None:
    running = hold_up(engine, batcher)
    waiting = batcher.submit("first", clip(1))
    batcher.withdraw("first")
    assert running.cancelled()
    assert waiting.cancelled()
    later = batcher.submit("second", clip(2))
    assert engine.begun.acquire(timeout=10)
    engine.gate.release()
    assert answer(later) == 2
    assert engine.stopped == [[0]]


def test_what_is_given_up_frees_its_place_at_once(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    given_up = batcher.submit("a", clip(1, 3.0))
    batcher.submit("a", clip(2, 1.0))
    assert given_up.cancel()
    assert batcher.waiting_seconds == 1.0


def test_a_row_that_is_given_up_is_not_tried_again_when_its_batch_fails(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    given_up, bad, good = (batcher.submit("a", clip(number)) for number in (1, -1, 2))
    engine.gate.release()
    assert engine.begun.acquire(timeout=10)
    given_up.cancel()
    engine.gate.release(10)
    assert answer(good) == 2
    with pytest.raises(MemoryError):
        bad.result(timeout=10)
    assert engine.batches == [[0], [1, -1, 2], [-1], [2]]


def test_a_deadline_is_noticed_while_every_worker_is_busy(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    late = batcher.submit("a", clip(1), deadline=time.monotonic() + 0.05)
    in_time = batcher.submit("a", clip(2), deadline=time.monotonic() + 3600)
    with pytest.raises(TimedOut):
        late.result(timeout=10)
    engine.gate.release(2)
    assert answer(in_time) == 2
    assert engine.batches == [[0], [2]]


def test_what_is_late_when_it_comes_is_not_computed(engine: GatedEngine, batcher: Batcher) -> None:
    late = batcher.submit("a", clip(1), deadline=time.monotonic() - 1)
    with pytest.raises(TimedOut):
        late.result(timeout=10)
    assert engine.batches == []


def test_an_interactive_call_goes_before_the_bulk_that_waits(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    bulk = [batcher.submit("bulk", clip(number, 4.0)) for number in (1, 2, 3)]
    call = batcher.submit("call", clip(9, 4.0), priority=Priority.INTERACTIVE)
    engine.gate.release(10)
    assert answer(call) == 9
    assert [answer(each) for each in bulk] == [1, 2, 3]
    assert engine.batches[1] == [9]


def test_bulk_leaves_a_worker_to_interactive_calls_that_are_about(engine: GatedEngine) -> None:
    # The clock stands, so the call came lately for as long as the test lasts.
    batcher = make_batcher(engine, workers=2, clock=lambda: 0.0)
    engine.gate.release()
    assert answer(batcher.submit("call", clip(1, 4.0), priority=Priority.INTERACTIVE)) == 1
    bulk = [batcher.submit("bulk", clip(number, 4.0)) for number in (2, 3)]
    assert engine.begun.acquire(timeout=10)
    assert engine.begun.acquire(timeout=10)
    assert not engine.begun.acquire(timeout=0.1)
    assert engine.batches == [[1], [2]]
    engine.gate.release(2)
    assert [answer(each) for each in bulk] == [2, 3]
    batcher.close()
    batcher.join()


def test_bulk_takes_every_worker_when_no_interactive_call_came_lately(engine: GatedEngine) -> None:
    batcher = make_batcher(engine, workers=2, sharing=Sharing(recent_seconds=0.05))
    engine.gate.release()
    assert answer(batcher.submit("call", clip(1, 4.0), priority=Priority.INTERACTIVE)) == 1
    bulk = [batcher.submit("bulk", clip(number, 4.0)) for number in (2, 3)]
    for _ in range(3):
        assert engine.begun.acquire(timeout=10)
    assert sorted(engine.batches) == [[1], [2], [3]]
    engine.gate.release(2)
    assert [answer(each) for each in bulk] == [2, 3]
    batcher.close()
    batcher.join()


def test_log_probabilities_are_given_to_those_who_asked(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    asked, not_asked = batcher.submit("a", clip(1), log_probs=True), batcher.submit("a", clip(2))
    engine.gate.release(2)
    assert asked.result(timeout=10).log_probs is not None
    assert not_asked.result(timeout=10).log_probs is None
    assert engine.batches == [[0], [1, 2]]


def test_it_is_told_when_a_request_would_begin_and_end(engine: GatedEngine) -> None:
    batcher = Batcher(
        engine,
        sample_rate=RATE,
        limits=Limits(seconds=4.0, rows=1),
        workers=1,
        clock=lambda: 0.0,
        name="test",
        figures=ModelFigures(),
        audio_rate=2.0,
    )
    nothing_waits = batcher.forecast(Priority.BULK, "a", 1.0)
    assert (nothing_waits.begin, nothing_waits.end) == (0.0, 0.5)
    hold_up(engine, batcher)
    batcher.submit("a", clip(1, 3.0))
    behind = batcher.forecast(Priority.BULK, "a", 1.0)
    assert (behind.begin, behind.end) == (2.0, 2.5)
    assert batcher.forecast(Priority.INTERACTIVE, "call", 1.0).begin == 0.5
    engine.gate.release(2)
    batcher.close()
    batcher.join()


def test_no_thread_outlives_a_closed_batcher(engine: GatedEngine) -> None:
    before = set(threading.enumerate())
    batcher = make_batcher(engine, workers=2)
    batcher.submit("a", clip(1), deadline=time.monotonic() + 3600).cancel()
    assert len(set(threading.enumerate()) - before) == 3
    batcher.close()
    batcher.join()
    assert not set(threading.enumerate()) - before
