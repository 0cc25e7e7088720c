"""What it will take to transcribe recordings of known lengths: the batches that the rule will make, at their cost."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference_service.scheduling.batching import Batch, Limits, Running, Sharing
from inference_service.scheduling.queue import Queue
from inference_service.speech.audio import expect_pieces

MOST_PIECES = 5_000
"""Pieces that are followed through the queue, in about a quarter of a second; more are reckoned from those."""
BEAM_AUDIO_RATE = 120.0
"""Seconds of audio a second at which a beam search reads what the model says, with a language model or hotwords:
measured on one thread, one of two 2020s server cores. It holds Python's lock, so threads do not share the work."""

Cost = Callable[[int, float], float]
"""Seconds that a batch of so many rows, the longest of so many seconds, is computed."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What it takes to transcribe some recordings, with nothing else to do."""

    batches: int
    compute_seconds: float
    """Summed over the workers."""
    elapsed_seconds: float


def estimate_effort(
    lengths: Sequence[float],
    recordings: int,
    *,
    cost: Cost,
    limits: Limits,
    workers: int,
    waiting_seconds: float,
    batch_rows: int = 0,
) -> Effort:
    """Lets the recordings go through the queue and the workers, at once and not in their time.

    Args:
        lengths: Of the recordings in seconds, in the order in which they come; or of some that stand for the others.
        recordings: How many there are.
        cost: Of a batch.
        limits: Of batches.
        workers: Batches computed at once.
        waiting_seconds: Of audio that wait in the queue, of which batches are made.
        batch_rows: The most rows of a batch that the caller wants; 0: any number.
    """
    followed = _choose(lengths, recordings)
    if not followed:
        return Effort(0, 0.0, 0.0)
    queue = Queue(limits, Sharing())
    pieces = (piece for each in followed for piece in expect_pieces(each))
    following = next(pieces, None)
    running: list[tuple[float, float]] = []  # when each batch ends, and its padded seconds
    batches, computed, now = 0, 0.0, 0.0
    while following is not None or len(queue) or running:
        while following is not None and queue.seconds() < waiting_seconds:
            queue.put(following, now=now, max_rows=batch_rows)
            following = next(pieces, None)
        batch = _take(queue, now, workers, running)
        if batch is not None:
            seconds = cost(len(batch.rows), batch.padded_seconds / len(batch.rows))
            heapq.heappush(running, (now + seconds, batch.padded_seconds))
            batches, computed = batches + 1, computed + seconds
        else:
            now, _ = heapq.heappop(running)
    share = recordings * sum(lengths) / len(lengths) / sum(followed)
    return Effort(round(batches * share), computed * share, now * share)


def add_beam_search(effort: Effort, audio_seconds: float, *, cores: int, shares_cores: bool) -> Effort:
    """The same with a beam search over what the model says.

    Args:
        effort: Of the model alone.
        audio_seconds: Of the recordings.
        cores: That the model's workers compute on.
        shares_cores: They are the same that the search runs on: the device is the CPU.
    """
    search = audio_seconds / BEAM_AUDIO_RATE
    elapsed = effort.elapsed_seconds + (search / cores if shares_cores else 0.0)
    return Effort(effort.batches, effort.compute_seconds, max(elapsed, search))


def _take(queue: Queue, now: float, workers: int, running: Sequence[tuple[float, float]]) -> Batch | None:
    """The next batch; None where all workers are busy, or it has to wait for what is running."""
    if len(running) >= workers or not len(queue):
        return None
    described = Running(workers, bulk=len(running), padded_seconds=sum(padded for _, padded in running))
    batch = queue.take(now, described)
    return None if isinstance(batch, float) else batch


def _choose(lengths: Sequence[float], recordings: int) -> list[float]:
    """Recordings to follow: all of them, or as many as have about `MOST_PIECES` pieces, from the whole of them."""
    lengths = [each for each in lengths if each > 0]
    if not lengths or not recordings:
        return []
    pieces = sum(len(expect_pieces(each)) for each in lengths)
    if pieces > MOST_PIECES:
        return lengths[:: -(-pieces // MOST_PIECES)]
    times = min(-(-recordings // len(lengths)), MOST_PIECES // pieces)
    return (lengths * times)[:recordings]
