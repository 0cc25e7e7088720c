"""What the address of a service names: one server, or several that do the same, listed or found by DNS."""

from __future__ import annotations

import ipaddress
import socket

from thanosql.errors import Unavailable

DNS = "dns:///"
"""What an address begins with whose name stands for every server that DNS knows by it."""


def is_several(address: str) -> bool:
    """Whether an address may stand for more than one server: `dns:///inference:8473`, or `one:8473,two:8473`."""
    return address.startswith(DNS) or "," in address


def find_servers(address: str) -> tuple[str, ...]:
    """host:port of each server that an address stands for at this moment; one that names a single server is itself.

    Raises:
        Unavailable: DNS knows none by the name.
    """
    if address.startswith(DNS):
        return _look_up(address.removeprefix(DNS))
    if not is_several(address):
        return (address,)
    return tuple(dict.fromkeys(each.strip() for each in address.split(",") if each.strip()))


def grpc_target(address: str) -> str:
    """What gRPC is given to connect to an address. It resolves `dns:///` itself, anew when a server is lost.

    Raises:
        Unavailable: a name of a list cannot be resolved, and no other can.
    """
    if "," not in address:
        return address
    # gRPC takes lists of numbers only, and of one family.
    found: list[str] = []
    failure: Unavailable | None = None
    for server in find_servers(address):
        try:
            found += [server] if _is_number(server) else _look_up(server)[:1]
        except Unavailable as error:
            failure = error
    family = "ipv6" if found and found[0].startswith("[") else "ipv4"
    if not found and failure is not None:
        raise failure
    return f"{family}:{','.join(each for each in found if each.startswith('[') == (family == 'ipv6'))}"


def _look_up(server: str) -> tuple[str, ...]:
    host, _, port = server.rpartition(":")
    try:
        answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unavailable(
            f"no server is known by the name {server!r}: {reason}",
            hint="Is the service running, and is the address right? It is host:port, dns:///host:port, or a list.",
        ) from error
    # Of one family: a machine that has an address of each would count as two.
    family = answers[0][0]
    hosts = dict.fromkeys(str(place[0]) for kind, *_, place in answers if kind == family)
    return tuple(f"[{each}]:{port}" if family == socket.AF_INET6 else f"{each}:{port}" for each in hosts)


def _is_number(server: str) -> bool:
    try:
        ipaddress.ip_address(server.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True
