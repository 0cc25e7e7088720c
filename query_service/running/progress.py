"""How fast work goes, how long it will take, and how often to say so. The time is passed in, in seconds."""

from __future__ import annotations

from collections import deque

from thanosql.types import Progress

LEAST_INTERVAL = 0.1
"""Seconds between two progress events of a phase."""


class RateEstimator:
    """Units per second over the recent past.

    Args:
        window: Seconds that count as the recent past.
    """

    def __init__(self, window: float = 10.0) -> None:
        self._window = window
        self._points: deque[tuple[float, float]] = deque()

    def add(self, now: float, done: float) -> None:
        """At the time `now`, `done` units are done in all."""
        # No two points at what may be the same moment: a rate over it would be without bound.
        if self._points and now - self._points[-1][0] < 1e-6:
            self._points[-1] = (self._points[-1][0], done)
            return
        # A point every hundredth of the window is enough.
        if len(self._points) > 1 and now - self._points[-2][0] < self._window / 100:
            self._points.pop()
        self._points.append((now, done))
        while len(self._points) > 2 and self._points[1][0] <= now - self._window:
            self._points.popleft()

    @property
    def rate(self) -> float:
        """Units per second; 0 where it is not known yet."""
        if len(self._points) < 2:
            return 0.0
        (start, before), (end, after) = self._points[0], self._points[-1]
        return max(0.0, (after - before) / (end - start))

    def seconds_left(self, total: float) -> float | None:
        """Seconds to `total` units at this rate; None where it cannot be told."""
        if not self.rate or not self._points:
            return None
        return max(0.0, total - self._points[-1][1]) / self.rate


class Pacer:
    """Lets a progress event through when enough time has passed, and always the first and last of a phase."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._phase: str | None = None
        self._ended = False

    def lets_through(self, progress: Progress, now: float) -> bool:
        """Whether this one shall be shown."""
        is_new = progress.phase != self._phase
        is_end = bool(progress.total) and progress.done >= progress.total
        if not (is_new or (is_end and not self._ended) or now - self._last >= LEAST_INTERVAL):
            return False
        self._last, self._phase, self._ended = now, progress.phase, is_end
        return True
