"""`thanosql health`: asks a service whether it is well (by grpc.health.v1 or HTTP), for health checks of containers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from thanosql.errors import ThanoSQLError, Unavailable

if TYPE_CHECKING:
    import grpc


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = "Asks a service whether it is well. Ends with 0 where it serves, with 1 where it does not."
    parser.add_argument(
        "address", metavar="HOST:PORT", help="the service's address; of the gateway: http://127.0.0.1:8480/ready"
    )
    parser.add_argument(
        "--of",
        default="",
        metavar="NAME",
        help="what is asked about, as thanosql.v1.QueryService; default: the process",
    )
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="how long to wait (default: 5)")
    parser.add_argument(
        "--tls",
        action="store_true",
        help="the port has TLS; whatever certificate it shows is believed, so ask only on your own machine",
    )


def run(options: argparse.Namespace) -> int:
    """Prints the state."""
    check_health(options.address, of=options.of, timeout=options.timeout, tls=options.tls)
    print("serving")
    return 0


def check_health(address: str, *, of: str = "", timeout: float = 5.0, tls: bool = False) -> None:
    """Returns where `of` (the process: "") is served at `address`.

    Raises:
        ThanoSQLError: `address` is not host:port.
        Unavailable: it is not served, is unknown there, or there is no answer within `timeout` seconds.
    """
    if address.startswith(("http://", "https://")):
        _check_page(address, timeout)
        return
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ThanoSQLError(f"{address!r} is not an address", hint="Give host:port, as in 127.0.0.1:8470.")
    with _open(address, timeout, tls) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=of), timeout=timeout
            )
        except grpc.RpcError as error:
            raise Unavailable(f"no health from {address}: {error.code().name}, {error.details()}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise Unavailable(f"{of or 'the process'} at {address} is {state}")


def _check_page(url: str, timeout: float) -> None:
    """Whatever certificate it shows is believed."""
    import ssl
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        build_opener(ProxyHandler({}), HTTPSHandler(context=context)).open(url, timeout=timeout).close()
    except (OSError, ValueError) as error:  # urllib's errors are OSErrors
        raise Unavailable(f"no health from {url}: {error}") from error


def _open(address: str, timeout: float, tls: bool) -> grpc.Channel:
    import grpc

    options: list[tuple[str, object]] = [("grpc.enable_http_proxy", 0)]
    if not tls:
        return grpc.insecure_channel(address, options=options)
    certificate, name = _shown_certificate(address, timeout)
    options.append(("grpc.ssl_target_name_override", name))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate.encode()), options=options)


def _shown_certificate(address: str, timeout: float) -> tuple[str, str]:
    """The certificate that a port shows, in PEM, and a name that it stands for.

    Its name is seldom that of the loopback address, and gRPC connects to no other.

    Raises:
        Unavailable: nothing there speaks TLS.
    """
    import socket
    import ssl

    host, _, port = address.rpartition(":")
    where = (host.strip("[]"), int(port))
    try:
        certificate = ssl.get_server_certificate(where, timeout=timeout)
        context = ssl.create_default_context(cadata=certificate)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with socket.create_connection(where, timeout) as plain, context.wrap_socket(plain) as connection:
            shown: dict[str, Any] = dict(connection.getpeercert() or {})
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        raise Unavailable(f"no TLS at {address}: {error}") from error
    names = [name for _, name in shown.get("subjectAltName", ())]
    names += [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return certificate, str(names[0]).replace("*", "health") if names else host
