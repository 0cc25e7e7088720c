"""Answers Prometheus over HTTP: `/metrics`, and `/live` for whoever asks whether the process is there."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from thanosql.errors import Unavailable
from thanosql.monitoring.families import Kind, Metrics, Sample, write_number

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ENDINGS = ("_bucket", "_count", "_sum")


def write_exposition(metrics: Sequence[Metrics]) -> str:
    """All families in Prometheus' text format; those that cannot be read now stand there without samples."""
    lines: list[str] = []
    for each in metrics:
        samples: defaultdict[str, list[Sample]] = defaultdict(list)
        try:
            for sample in each.collect():
                samples[sample.name].append(sample)
        except Exception:
            log.exception("some metrics could not be read: %s", ", ".join(family.name for family in each.families))
        for family in each.families:
            lines += [f"# HELP {family.name} {_escape(family.help)}", f"# TYPE {family.name} {family.kind}"]
            names = [family.name]
            if family.kind is Kind.HISTOGRAM:
                names = [family.name + ending for ending in _ENDINGS]
            for name in names:
                lines += [f"{name}{_write_labels(one)} {write_number(one.value)}" for one in samples[name]]
    return "\n".join([*lines, ""])


def _write_labels(sample: Sample) -> str:
    pairs = ",".join(f'{name}="{_escape(value, quotes=True)}"' for name, value in sample.labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


class MetricsServer:
    """Serves the metrics of one service from a few threads.

    Args:
        service: Its name, for messages.
        host: Address to listen on.
        port: 0: chosen by the system.
        metrics: What stands on the page, read anew for each scrape.

    Raises:
        Unavailable: the port is taken.
    """

    def __init__(self, service: str, host: str, port: int, metrics: Sequence[Metrics]) -> None:
        pages = {
            "/metrics": (CONTENT_TYPE, lambda: write_exposition(metrics)),
            "/live": ("text/plain", lambda: "live\n"),
        }
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = type("Server", (_Server,), {"address_family": family})
        try:
            self._server: _Server = server((host, port), type("Request", (_Request,), {"pages": pages}))
        except OSError as error:
            raise Unavailable(
                f"{service}_service cannot serve metrics on {host}:{port}: {error.strerror or error}",
                hint="Is another server on that port? Choose another with --metrics-port, or 0 for any free one; "
                f"THANOSQL_{service.upper()}_METRICS_PORT is for this service alone.",
            ) from error
        self.port: int = self._server.server_address[1]
        log.info("metrics at http://%s:%d/metrics", host, self.port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    # A second service on the port is refused, and a slow reader does not hold up the end.
    allow_reuse_port = False
    daemon_threads = True
    block_on_close = False


class _Request(BaseHTTPRequestHandler):
    pages: dict[str, tuple[str, Callable[[], str]]]
    timeout = 10.0

    def do_GET(self) -> None:
        kind, write = self.pages.get(self.path.partition("?")[0], (None, None))
        if kind is None or write is None:
            self.send_error(HTTPStatus.NOT_FOUND, "there are /metrics and /live")
            return
        body = write().encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""
