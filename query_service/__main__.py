"""query_service: `thanosql serve query`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from query_service.callers.identify import Callers
from query_service.config import QueryConfig
from query_service.monitoring.metrics import query_metrics
from query_service.running.execute import run_script
from query_service.running.peers import Peers
from query_service.running.queries import QueryRegistry
from query_service.servicer import QueryServicer
from query_service.uploading.uploads import Uploads
from thanosql.rpc.server import RunningServer, run_service, start_server
from thanosql.v1.query_pb2_grpc import add_QueryServiceServicer_to_server

_SPARE_THREADS = 8
"""For Cancel and health checks, whatever is being read."""


def start(config: QueryConfig) -> RunningServer:
    """Starts serving, and returns at once; the other services need not be there yet."""
    callers, peers = Callers(config), Peers(config)
    queries: QueryRegistry = QueryRegistry(config, lambda *query: run_script(config, peers, queries, *query))
    most_streams = 2 * config.most_queries
    servicer = QueryServicer(config, queries, Uploads(config), callers, most_streams)
    return start_server(
        config,
        {"thanosql.v1.QueryService": partial(add_QueryServiceServicer_to_server, servicer)},
        threads=most_streams + config.most_uploads + _SPARE_THREADS,
        authenticate=callers.identify,
        at_grace_end=[queries.stop],
        on_stop=[queries.stop, peers.close, callers.close],
        metrics=[query_metrics(queries.figures, queries.held)],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(QueryConfig, start, arguments)


if __name__ == "__main__":
    main()
