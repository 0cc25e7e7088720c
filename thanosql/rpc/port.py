"""The port that a server listens on: where, with or without TLS, and what it takes there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from thanosql.configuration import ServiceConfig
from thanosql.errors import Unavailable
from thanosql.rpc.channel import MAX_MESSAGE_BYTES, OPTIONS
from thanosql.rpc.tls import ServerCertificate

# Two servers must never share a port in silence.
_OPTIONS = (
    *OPTIONS,
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # Our clients ask every 40 s whether a quiet stream is still there; gRPC takes more than one question in five
    # minutes for an attack, and ends the connection.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
)
_LARGEST = "grpc.max_receive_message_length"


@dataclass(frozen=True)
class Port:
    """Where a server listens."""

    config: ServiceConfig
    certificate: ServerCertificate | None = None
    """None: without TLS."""
    largest_message: int = MAX_MESSAGE_BYTES
    """Bytes of the largest message that is taken."""

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """Of the server."""
        others = [(name, value) for name, value in _OPTIONS if name != _LARGEST]  # of two, gRPC takes the first
        return (*others, (_LARGEST, self.largest_message))

    def bind(self, server: Any) -> int:
        """Has the server listen; the port's number.

        Raises:
            Unavailable: it is taken, or others could come in without a token.
        """
        config = self.config
        where = f"{config.host}:{config.port}"
        if not (config.token or config.insecure or is_loopback(config.host)):
            raise Unavailable(
                f"{config.service}_service would listen on {where}, where other machines reach it, and ask nobody for "
                "a token",
                hint="Set THANOSQL_TOKEN, or THANOSQL_TOKEN_FILE, to a secret for all services, or --insecure where "
                "whoever reaches the port may do everything.",
            )
        try:
            if self.certificate is None:
                port: int = server.add_insecure_port(where)
            else:
                port = server.add_secure_port(where, self.certificate.credentials())
        except RuntimeError as error:
            raise Unavailable(
                f"{config.service}_service cannot listen on {where}: {error}",
                hint="Is another server on that port? Choose another with --port, or 0 for any free one.",
            ) from error
        return port


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whom no other reaches under this name.

    >>> [is_loopback(each) for each in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "speech.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
