"""The HTTP gateway: `thanosql serve gateway`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from thanosql.gateway.app import make_app
from thanosql.gateway.callers import Callers
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.metrics import RequestFigures
from thanosql.gateway.server import HttpServer
from thanosql.monitoring.exposition import MetricsServer
from thanosql.monitoring.process import process_metrics
from thanosql.rpc.server import run_service
from thanosql.rpc.telemetry import find_tracing, hold_tracing


def start(config: GatewayConfig) -> HttpServer:
    """Starts serving, and returns at once; the query service need not be there yet.

    Raises:
        Unavailable: a port is taken, or the certificate cannot be used.
    """
    with ExitStack() as undo:
        undo.callback(hold_tracing(config))
        tracing = find_tracing(config)
        callers = Callers(config, tracing)
        undo.callback(callers.close)
        figures, metrics_port = RequestFigures(), 0
        if config.metrics_port is not None:
            page = MetricsServer(config.service, config.host, config.metrics_port, [figures.metrics, process_metrics()])
            undo.callback(page.close)
            metrics_port = page.port
        endings = ExitStack()
        server = HttpServer(config, make_app(config, callers, figures, tracing), [endings.close])
        server.metrics_port = metrics_port
        # From here on it is the server that ends all this.
        endings.push(undo.pop_all().__exit__)
    return server


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(GatewayConfig, start, arguments)


if __name__ == "__main__":
    main()
