"""The calls that a server answers, counted by method and by how they end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from thanosql.monitoring.families import INFINITY, Buckets, Metrics, Sample, counter, gauge, histogram

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, INFINITY)
"""Seconds of a call."""

CALLS = counter("thanosql_calls_total", "Calls that have ended, by method and gRPC status.", "method", "code")
SECONDS = histogram(
    "thanosql_call_seconds", "From the begin of a call to its end; a stream's end is its last.", "method"
)
RUNNING = gauge("thanosql_calls_running", "Calls that are being answered.", "method")


FAMILIES = (CALLS, SECONDS, RUNNING)


class CallFigures:
    """Counts calls; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._running: Counter[str] = Counter()
        self._seconds: dict[str, Buckets] = {}
        self.metrics = Metrics(FAMILIES, self._collect)

    def begin(self, method: str) -> None:
        """A call has come: "/thanosql.v1.CatalogService/GetSnapshot"."""
        with self._lock:
            self._running[method] += 1

    def end(self, method: str, code: str, seconds: float) -> None:
        """A call has ended, with the name of its gRPC status."""
        with self._lock:
            self._running[method] -= 1
            self._ended[method, code] += 1
            buckets = self._seconds.get(method)
            if buckets is None:
                buckets = self._seconds[method] = Buckets(BOUNDS)
            buckets.add(seconds)

    def _collect(self) -> Iterator[Sample]:
        with self._lock:
            for (method, code), number in self._ended.items():
                yield CALLS.sample(number, shorten(method), code)
            for method, buckets in self._seconds.items():
                yield from SECONDS.histogram(buckets, shorten(method))
            for method, number in self._running.items():
                yield RUNNING.sample(number, shorten(method))


def shorten(method: str) -> str:
    """A method without its package.

    >>> shorten("/thanosql.v1.CatalogService/GetSnapshot")
    'CatalogService/GetSnapshot'
    """
    service, _, name = method.removeprefix("/").partition("/")
    return f"{service.rpartition('.')[2]}/{name}"
