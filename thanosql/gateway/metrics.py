"""The requests that the gateway answers, counted by route and by how they end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from thanosql.monitoring.calls import BOUNDS
from thanosql.monitoring.families import Buckets, Metrics, Sample, counter, gauge, histogram

REQUESTS = counter(
    "thanosql_http_requests_total",
    "Requests that have ended, by route, method and status.",
    *("route", "method", "status"),
)
SECONDS = histogram("thanosql_http_request_seconds", "From a request's head to the end of its answer.", "route")
RUNNING = gauge("thanosql_http_requests_running", "Requests that are being answered.")
RECEIVED = counter("thanosql_http_received_bytes_total", "Bytes of bodies that have come.")

FAMILIES = (REQUESTS, SECONDS, RUNNING, RECEIVED)


class RequestFigures:
    """Counts requests; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[str, Buckets] = {}
        self._running = self._received = 0
        self.metrics = Metrics(FAMILIES, self._collect)

    @property
    def running(self) -> int:
        """Requests that are being answered."""
        return self._running

    def begin(self) -> None:
        """A request has come."""
        with self._lock:
            self._running += 1

    def end(self, route: str, method: str, status: str, seconds: float, received: int) -> None:
        """A request has ended: the template of its path, and the status sent, or "499" where its caller left."""
        with self._lock:
            self._running -= 1
            self._received += received
            self._ended[route, method, status] += 1
            if route not in self._seconds:
                self._seconds[route] = Buckets(BOUNDS)
            self._seconds[route].add(seconds)

    def _collect(self) -> Iterator[Sample]:
        with self._lock:
            for (route, method, status), number in self._ended.items():
                yield REQUESTS.sample(number, route, method, status)
            for route, buckets in self._seconds.items():
                yield from SECONDS.histogram(buckets, route)
            yield RUNNING.sample(self._running)
            yield RECEIVED.sample(self._received)
