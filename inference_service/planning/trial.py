"""Measures what batches cost: computes noise by as many threads as there would be workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np

from inference_service.engines.engine import Engine, Samples
from inference_service.planning.exploration import Shape
from thanosql.errors import stopping

QUIET_SHARE = 0.5
"""Of a core: a worker that computes without a pause and gets less is not alone on the machine."""

OpenEngine = Callable[[int, int], Engine]
"""Of workers and threads of each."""


class Trial:
    """Engines on trial, one for each pair of workers and threads, and threads that call them; a context manager.

    Args:
        open_engine: Opens an engine, which is not counted as computing.
        device: "cpu" or "cuda".
        sample_rate: Samples per second that the model takes.
        clock: Gives seconds.
        cpu_clock: Gives seconds of computing of this process.
        is_stopping: Asked before each measurement.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        *,
        device: str,
        sample_rate: int,
        clock: Callable[[], float],
        cpu_clock: Callable[[], float] = time.process_time,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._open, self._sample_rate, self._is_stopping = open_engine, sample_rate, is_stopping
        self._clock, self._cpu_clock = clock, cpu_clock
        self.spent_seconds = 0.0
        """On measurements; opening engines is not counted."""
        self._is_gpu = device != "cpu"
        self._wanted = self._got = 0.0
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

        One-thread workers on a CPU are judged by the seconds that they computed: what other programs take of the cores
        meanwhile is no property of the model.

        Raises:
            Unavailable: the service is stopping.
        """
        if self._is_stopping():
            raise stopping("inference")
        engine = self.engine(shape.workers, shape.threads)
        rows = make_noise(shape.rows, int(shape.seconds * self._sample_rate), self._sample_rate)
        begin, cpu_begin = self._clock(), self._cpu_clock()
        runs = [self._pool.submit(engine.run, rows) for _ in range(shape.workers)]
        for run in runs:
            run.result()
        elapsed = self._clock() - begin
        self.spent_seconds += elapsed
        self.most_seconds = max(self.most_seconds, shape.workers * shape.padded_seconds)
        if self._is_gpu or shape.threads > 1:  # which wait for the device, or for each other
            return elapsed
        computed = (self._cpu_clock() - cpu_begin) / shape.workers
        self._wanted += elapsed
        self._got += computed
        return min(elapsed, computed)

    @property
    def was_disturbed(self) -> bool:
        """Whether one-thread workers had far less than a core each: others computed too, and shared the caches."""
        return self._got < QUIET_SHARE * self._wanted

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
