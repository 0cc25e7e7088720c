"""Says now and then how far a long reading is."""

from __future__ import annotations

from collections.abc import Callable

from thanosql.types import Progress

EVERY_SECONDS = 0.5

Clock = Callable[[], float]
"""Seconds since some moment, as `time.monotonic`."""


class Pace:
    """Turns amounts done into progress: every half second, with the rate and the time left."""

    def __init__(self, phase: str, unit: str, total: float, clock: Clock) -> None:
        self._phase, self._unit, self._total, self._clock = phase, unit, total, clock
        self._began = self._reported = clock()

    def report(self, done: float) -> tuple[Progress, ...]:
        """The progress, or nothing when it is too soon after the last one."""
        now = self._clock()
        if now - self._reported < EVERY_SECONDS:
            return ()
        self._reported = now
        rate = done / (now - self._began)
        left = (self._total - done) / rate if self._total and rate else None
        return (Progress(self._phase, done, self._total, self._unit, rate, left),)
