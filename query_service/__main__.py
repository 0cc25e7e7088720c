"""query_service: `thanosql serve query`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from query_service.callers.audit import CallAudit, open_audit
from query_service.callers.identify import Callers
from query_service.config import QueryConfig
from query_service.monitoring.metrics import query_metrics
from query_service.running.execute import run_script
from query_service.running.peers import Peers
from query_service.running.queries import QueryRegistry
from query_service.servicer import QueryServicer
from query_service.transcribing.sent_speech import SentSpeech
from query_service.uploading.uploads import Uploads
from thanosql.errors import Unavailable
from thanosql.rpc.server import RunningServer, run_service, start_server
from thanosql.rpc.tls import ServerCertificate
from thanosql.v1.query_pb2_grpc import add_QueryServiceServicer_to_server

_SPARE_THREADS = 8
"""For Cancel and health checks, whatever is being read."""


def read_certificate(config: QueryConfig) -> ServerCertificate | None:
    """What the public port shows; None: it is without TLS.

    Raises:
        Unavailable: only half of it is given, or it cannot be used.
    """
    if config.tls_certificate is None and config.tls_key is None:
        return None
    if config.tls_certificate is None or config.tls_key is None:
        raise Unavailable("TLS needs a certificate and its key", hint="Give both --tls-certificate and --tls-key.")
    return ServerCertificate(config.tls_certificate, config.tls_key)


def start(config: QueryConfig) -> RunningServer:
    """Starts serving, and returns at once; the other services need not be there yet."""
    certificate = read_certificate(config)
    end_audit = open_audit(config.service, config.audit_log)
    callers, peers = Callers(config), Peers(config)
    queries: QueryRegistry = QueryRegistry(config, lambda *query: run_script(config, peers, queries, *query))
    most_streams = 2 * config.most_queries
    servicer = QueryServicer(
        config, queries, Uploads(config), callers, SentSpeech(config, peers, queries), most_streams
    )
    return start_server(
        config,
        {"thanosql.v1.QueryService": partial(add_QueryServiceServicer_to_server, servicer)},
        threads=most_streams + config.most_uploads + _SPARE_THREADS,
        authenticate=callers.identify,
        audit=CallAudit(),
        certificate=certificate,
        largest_message=config.largest_message,
        at_grace_end=[queries.stop],
        on_stop=[queries.stop, peers.close, callers.close, end_audit],
        metrics=[query_metrics(queries.figures, queries.held)],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(QueryConfig, start, arguments)


if __name__ == "__main__":
    main()
