"""Measures what batches cost: computes noise by as many threads as there would be workers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np

from inference_service.engine import Engine, Samples
from inference_service.exploration import Shape
from thanosql.errors import Unavailable

OpenEngine = Callable[[int, int], Engine]
"""Of workers and threads of each."""


class Trial:
    """Engines on trial, one for each pair of workers and threads, and threads that call them; a context manager.

    Args:
        open_engine: Opens an engine, which is not counted as computing.
        sample_rate: Samples per second that the model takes.
        clock: Gives seconds.
        is_stopping: Asked before each measurement.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        *,
        sample_rate: int,
        clock: Callable[[], float],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._open, self._sample_rate, self._clock, self._is_stopping = open_engine, sample_rate, clock, is_stopping
        self._engines: dict[tuple[int, int], Engine] = {}
        self._pool = ThreadPoolExecutor(max_workers=64, thread_name_prefix="calibrate")
        self.most_seconds = 0.0
        """Padded seconds that were computed at once, at the most."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Frees the engines that were not taken."""
        self._pool.shutdown()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def measure(self, shape: Shape) -> float:
        """Seconds from the begin of the first batch to the end of the last.

        Raises:
            Unavailable: the service is stopping.
        """
        if self._is_stopping():
            raise Unavailable("inference_service is stopping", hint="Run the statement again when it is back.")
        engine = self.engine(shape.workers, shape.threads)
        rows = make_noise(shape.rows, int(shape.seconds * self._sample_rate), self._sample_rate)
        begin = self._clock()
        runs = [self._pool.submit(engine.run, rows) for _ in range(shape.workers)]
        for run in runs:
            run.result()
        self.most_seconds = max(self.most_seconds, shape.workers * shape.padded_seconds)
        return self._clock() - begin

    def engine(self, workers: int, threads: int) -> Engine:
        """The engine for a pair, opened where it is not yet."""
        pair = (workers, threads)
        if pair not in self._engines:
            self._engines[pair] = self._open(workers, threads)
        return self._engines[pair]

    def take(self, workers: int, threads: int) -> Engine:
        """The engine for a pair, which is the caller's now."""
        engine = self.engine(workers, threads)
        del self._engines[workers, threads]
        return engine


def make_noise(rows: int, samples: int, sample_rate: int) -> list[Samples]:
    """Noise that swells and fades as often as syllables do, four times a second."""
    random = np.random.default_rng(rows)
    loudness = 0.1 * np.abs(np.sin(4 * np.pi * np.arange(samples) / sample_rate)).astype(np.float32)
    return [random.standard_normal(samples, np.float32) * loudness for _ in range(rows)]
