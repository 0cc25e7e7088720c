"""Answers Prometheus over HTTP: `/metrics`, and `/live` for whoever asks whether the process is there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from inference_service.monitoring.metrics import ModelMetrics, Observation, write_number
from thanosql.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def write_exposition(registry: CollectorRegistry) -> str:
    """The families of `registry` in Prometheus' text format.

    `prometheus_client.generate_latest` declares every counter under a name ending in `_total`; Triton's do not.
    """
    lines = []
    for metric in registry.collect():
        samples = [each for each in metric.samples if not each.name.endswith("_created")]
        # A counter is declared under the name of its samples, whichever suffix that has.
        name = samples[0].name if samples and metric.type == "counter" else metric.name
        kind = "gauge" if metric.type in ("info", "stateset") else metric.type
        lines.append(f"# HELP {name} {_escape(metric.documentation)}")
        lines.append(f"# TYPE {name} {kind}")
        lines += [f"{each.name}{_write_labels(each)} {write_number(each.value)}" for each in samples]
    return "\n".join([*lines, ""])


def _write_labels(sample: Sample) -> str:
    pairs = ",".join(f'{name}="{_escape(value, quotes=True)}"' for name, value in sample.labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


class MetricsServer:
    """Serves the metrics of one service, with a registry of its own, from a few threads.

    Args:
        host: Address to listen on.
        port: 0: chosen by the system.
        observe: Gives every version that is or was loaded, or could not be.

    Raises:
        Unavailable: the port is taken.
    """

    def __init__(self, host: str, port: int, observe: Callable[[], Iterable[Observation]]) -> None:
        from prometheus_client import CollectorRegistry
        from prometheus_client.process_collector import ProcessCollector

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU seconds, open files and the start of the process
        registry.register(ModelMetrics(observe))
        pages = {
            "/metrics": (CONTENT_TYPE, lambda: write_exposition(registry)),
            "/live": ("text/plain", lambda: "live\n"),
        }
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = type("Server", (_Server,), {"address_family": family})
        try:
            self._server: _Server = server((host, port), type("Request", (_Request,), {"pages": pages}))
        except OSError as error:
            raise Unavailable(
                f"inference_service cannot serve metrics on {host}:{port}: {error.strerror or error}",
                hint="Is another server on that port? Choose another with --metrics-port, or 0 for any free one.",
            ) from error
        self.port: int = self._server.server_address[1]
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
