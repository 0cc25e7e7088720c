"""The queue and its threads, with an engine that computes nothing and can be held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest

from inference_service.batcher import Batcher
from inference_service.batching import Limits
from inference_service.decode import FrameScores
from thanosql.errors import Unavailable

RATE = 100


class GatedEngine:
    """Answers each row with its first sample; every batch waits for `gate`. A row of -1 is more than it can take."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def run(self, rows: Sequence[np.ndarray], **options: object) -> list[FrameScores]:
        self.batches.append([int(row[0]) for row in rows])
        self.begun.release()
        assert self.gate.acquire(timeout=10)
        if any(row[0] == -1 for row in rows):
            raise MemoryError("too much")
        return [FrameScores(row[:1].astype(np.int64), np.zeros(1, np.float32)) for row in rows]

    def close(self) -> None:
        pass


def clip(number: int, seconds: float = 1.0) -> np.ndarray:
    return np.full(round(seconds * RATE), number, np.float32)


def answer(future: Future[FrameScores]) -> int:
    return int(future.result(timeout=10).tokens[0])


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


def make_batcher(engine: GatedEngine, workers: int = 1, **limits: float) -> Batcher:
    bounds = Limits(**{"seconds": 4.0, "rows": 8, **limits})  # type: ignore[arg-type]
    return Batcher(engine, sample_rate=RATE, limits=bounds, workers=workers, clock=lambda: 0.0, name="test")


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


def test_the_figures_count_batches_and_padding(engine: GatedEngine, batcher: Batcher) -> None:
    hold_up(engine, batcher)
    futures = [batcher.submit("a", clip(1, 1.0)), batcher.submit("a", clip(2, 1.5))]
    engine.gate.release(2)
    for each in futures:
        answer(each)
    figures = batcher.figures
    assert (figures.batches, figures.audio_seconds, figures.padded_seconds) == (2, 3.5, 4.0)
