"""Who calls: sent along by our clients so that colleagues can tell whose statement runs. It proves nothing."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable
from urllib.parse import quote, unquote

CALLER_KEY = "thanosql-user"
"""Name of the caller in a call's metadata, percent-encoded, for values there are ASCII."""

LONGEST = 100
"""Characters of a caller's name that are kept."""


def name_caller() -> str:
    """This process's user and machine: "kim@laptop"."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        user = "someone"
    return f"{user}@{socket.gethostname()}"


def encode_caller(name: str) -> str:
    """The name as a value of metadata."""
    return quote(name[:LONGEST], safe="@ .:/")


def read_caller(metadata: Iterable[tuple[str, str | bytes]] | None, peer: str) -> str:
    """Who calls, in one line of printable characters.

    Args:
        metadata: Of the call.
        peer: The address that gRPC names, which stands in where the caller does not say who it is.

    >>> read_caller([("thanosql-user", "%EA%B9%80@laptop")], "ipv4:10.0.0.7:51234")
    '김@laptop'
    >>> read_caller([], "ipv4:10.0.0.7:51234")
    '10.0.0.7'
    """
    for key, value in metadata or ():
        if key == CALLER_KEY and isinstance(value, str):
            name = "".join(each for each in unquote(value) if each.isprintable())[:LONGEST].strip()
            if name:
                return name
    return re.sub(r"^ipv[46]:|:\d+$|[\[\]]", "", unquote(peer))[:LONGEST]
