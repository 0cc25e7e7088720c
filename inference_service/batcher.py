"""The queue in front of one model's engine, and the threads that compute its batches."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inference_service.batching import Limits, Request, Turns, choose_batch
from inference_service.decode import FrameScores
from inference_service.engine import Engine
from thanosql.errors import Unavailable
from thanosql.types import Priority

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What a batcher has done."""

    batches: int = 0
    audio_seconds: float = 0.0
    padded_seconds: float = 0.0
    compute_seconds: float = 0.0
    """Summed over the workers."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    request: Request
    stream: Hashable
    samples: Samples
    log_probs: bool
    future: Future[FrameScores] = field(default_factory=Future)


class Batcher:
    """Computes what is submitted, in batches that `choose_batch` picks.

    Args:
        engine: What computes.
        sample_rate: Samples per second of what is submitted.
        limits: How large batches may be.
        workers: Batches computed at once.
        clock: Gives seconds; measures the computing.
        name: Of the worker threads.
    """

    def __init__(
        self, engine: Engine, *, sample_rate: int, limits: Limits, workers: int, clock: Callable[[], float], name: str
    ) -> None:
        self._engine, self._sample_rate, self._limits, self._clock = engine, sample_rate, limits, clock
        self._waiting: list[_Waiting] = []
        self._turns = Turns()
        self._running: dict[int, float] = {}
        self._figures = BatchFigures()
        self._closed = False
        self._changed = threading.Condition()
        self._workers = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def submit(
        self,
        stream: Hashable,
        samples: Samples,
        *,
        priority: Priority = Priority.BULK,  # noqa: ARG002
        deadline: float = math.inf,  # noqa: ARG002
        max_rows: int = 0,
        log_probs: bool = False,
    ) -> Future[FrameScores]:
        """Queues a clip or piece; its future is answered on its own, whatever befalls the others of its batch.

        Args:
            stream: Whose it is: streams take turns.
            samples: float32 `[samples]`.
            priority: The class whose share it is computed on.
            deadline: On the batcher's clock; what has not begun by then fails with `TimedOut`.
            max_rows: The most rows of the batch that it may be in; 0: any.
            log_probs: They are wanted too.

        Returns:
            Cancelled by whoever asked, at any time, it disturbs nobody: what waits leaves the queue at once, and a
            batch of which every row was cancelled is stopped.

        Raises:
            Unavailable: the batcher is closed.
        """
        seconds = len(samples) / self._sample_rate
        with self._changed:
            if self._closed:
                raise _stopping()
            waiting = _Waiting(
                Request(seconds, self._turns.take(stream, seconds), max_rows), stream, samples, log_probs
            )
            self._waiting.append(waiting)
            self._changed.notify()
        return waiting.future

    def withdraw(self, stream: Hashable) -> None:
        """Takes everything of a stream that has ended out of the queue, at once."""
        with self._changed:
            gone = [each for each in self._waiting if each.stream == stream]
            self._waiting = [each for each in self._waiting if each.stream != stream]
            self._turns.forget(stream)
        for each in gone:
            each.future.cancel()

    @property
    def waiting_seconds(self) -> float:
        """Seconds of audio in the queue."""
        with self._changed:
            return sum(each.request.seconds for each in self._waiting)

    @property
    def figures(self) -> BatchFigures:
        """What was done so far."""
        with self._changed:
            return self._figures

    def close(self) -> None:
        """Computes no further batch; what waits fails with `Unavailable`. Batches that are running go on."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
        for each in waiting:
            if each.future.set_running_or_notify_cancel():
                each.future.set_exception(_stopping())

    def join(self) -> None:
        """Returns when the running batches of a closed batcher have ended."""
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while batch := self._take():
            self._compute(batch)
            # A finished batch's samples and futures must not live on here while the next one is awaited.
            batch = []
            with self._changed:
                del self._running[threading.get_ident()]
                self._changed.notify_all()

    def _take(self) -> list[_Waiting]:
        """Waits for the next batch; empty when the batcher closes."""
        with self._changed:
            while not self._closed:
                self._waiting = [each for each in self._waiting if not each.future.cancelled()]
                chosen = choose_batch(
                    [each.request for each in self._waiting], self._limits, sum(self._running.values())
                )
                batch = [self._waiting[index] for index in chosen]
                if batch:
                    left = set(range(len(self._waiting))) - set(chosen)
                    self._waiting = [self._waiting[index] for index in sorted(left)]
                    self._turns.serve(batch[0].request.turn)
                    batch = [each for each in batch if each.future.set_running_or_notify_cancel()]
                    if batch:
                        self._running[threading.get_ident()] = _padded_seconds(batch)
                        return batch
                    continue
                self._changed.wait()
        return []

    def _compute(self, batch: list[_Waiting]) -> None:
        begin = self._clock()
        try:
            results = self._engine.run(
                [each.samples for each in batch],
                log_probs=any(each.log_probs for each in batch),
                free_memory=not self._waiting,
            )
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            else:
                # One row may be to blame, or all of them together be too large: each gets its own chance.
                for each in batch:
                    self._compute([each])
            return
        seconds = self._clock() - begin
        padded = _padded_seconds(batch)
        with self._changed:
            self._figures = replace(
                self._figures,
                batches=self._figures.batches + 1,
                audio_seconds=self._figures.audio_seconds + sum(each.request.seconds for each in batch),
                padded_seconds=self._figures.padded_seconds + padded,
                compute_seconds=self._figures.compute_seconds + seconds,
            )
        for each, result in zip(batch, results, strict=True):
            each.future.set_result(result)


def _padded_seconds(batch: list[_Waiting]) -> float:
    return len(batch) * max(each.request.seconds for each in batch)


def _stopping() -> Unavailable:
    return Unavailable("inference_service is stopping", hint="Run the statement again when it is back.")
