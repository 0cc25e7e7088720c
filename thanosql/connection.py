"""How a session is opened: to a server, or to services of one's own."""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from thanosql.errors import InternalError, NotFound, NotSupported, ThanoSQLError, TimedOut, Unavailable
from thanosql.session import Session
from thanosql.workspace import STATE_FOLDER, check_name

if TYPE_CHECKING:
    import grpc

    from thanosql.clients import QueryClient
    from thanosql.rpc.tls import ClientTls

DEFAULT_PORT = 8470
"""Port of query_service."""
NO_QUERY = "00000000-0000-0000-0000-000000000000"
"""Id of a query that never was."""
ANSWER_WITHIN = 4.0
"""Seconds within which a server must answer when a session is opened."""


class Connection(Protocol):
    """A way to a query service."""

    client: QueryClient
    description: str
    """Where it leads, for the user."""
    log: str
    """Where the service writes what goes wrong; empty where that is not known."""

    def is_alive(self) -> bool:
        """False where it is known that no statement can reach the service any more."""

    def close(self) -> None:
        """Lets go of it."""


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """What a client reads from the environment; arguments of `connect` win."""

    address: str = ""
    """THANOSQL_ADDRESS: host:port of a query service; empty: local mode."""
    token: str = ""
    """THANOSQL_API_TOKEN, or THANOSQL_TOKEN as the services call it: the secret that the server asks for; with _FILE:
    a file that holds it."""
    workspace: Path = Path()
    """THANOSQL_WORKSPACE: local mode's root of the paths in statements; default: the current folder."""
    state: Path | None = None
    """THANOSQL_STATE: local mode's folder for tables and models; default: `.thanosql` in the workspace."""
    ca: Path | None = None
    """THANOSQL_CA: certificates of those who sign a server's, in PEM; with it, servers are called with TLS."""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads the environment.

        Raises:
            NotFound: a file that it names cannot be read.
        """
        state, ca = environment.get("THANOSQL_STATE"), environment.get("THANOSQL_CA")
        return cls(
            address=environment.get("THANOSQL_ADDRESS", ""),
            token=_read_token(environment),
            workspace=Path(environment.get("THANOSQL_WORKSPACE", "")),
            state=Path(state) if state else None,
            ca=Path(ca) if ca else None,
        )


def _read_token(environment: Mapping[str, str]) -> str:
    for name in ("THANOSQL_API_TOKEN", "THANOSQL_TOKEN"):
        if token := environment.get(name):
            return token
        if file := environment.get(f"{name}_FILE"):
            try:
                return Path(file).read_text("utf-8").strip()
            except (OSError, UnicodeError) as error:
                raise NotFound(f"the token in {name}_FILE={file!r} cannot be read: {error}") from None
    return ""


def connect(
    address: str | None = None,
    token: str | None = None,
    *,
    workspace: str | Path | None = None,
    state: str | Path | None = None,
    tls: bool | None = None,
    ca: str | Path | None = None,
    timeout: float | None = None,
) -> Session:
    """Opens a session.

    Args:
        address: `host:port` of a query service; `grpcs://host:port`: with TLS. None: `THANOSQL_ADDRESS`, and where that
            is not set either, local mode: the services start inside this process. If another process already runs the
            services of the same workspace, the session joins those.
        token: The secret that the server asks for; None: `THANOSQL_API_TOKEN`.
        workspace: Local mode's root of the paths in statements; default: the current folder. With an address: the name
            of the server's workspace, which administrators may choose; others have that of their token.
        state: Local mode's folder for tables and models; default: `.thanosql` in the workspace.
        tls: Whether the server is called with TLS; None: where the address says so, or `ca` is given.
        ca: File with the certificates of those who sign the server's, in PEM; None: `THANOSQL_CA`, and without that the
            authorities that gRPC comes with.
        timeout: Seconds within which a server must answer; None: 4. Statements have limits of their own.

    Raises:
        Unavailable: nothing answers at `address`, or the packages that local mode needs are not installed.
        Unauthenticated: the server wants another token.
        PermissionDenied: the token is for another workspace.
        NotFound: the file `ca` cannot be read.
    """
    settings = ClientSettings.from_env()
    is_local = not address and (workspace is not None or state is not None)
    if address and state is not None:
        raise ThanoSQLError(
            "a state folder is given together with an address",
            hint="A server has a folder of its own; leave out `address` for local mode.",
        )
    address = address or ("" if is_local else settings.address)
    try:
        if address:
            remote = partial(
                Remote,
                address,
                settings.token if token is None else token,
                tls=tls,
                ca=settings.ca if ca is None else Path(ca),
                timeout=ANSWER_WITHIN if timeout is None else timeout,
                workspace="" if workspace is None else check_name(str(workspace)),
            )
            return Session(remote)
        from thanosql.local import open_local

        root = Path(workspace) if workspace is not None else settings.workspace
        folder = Path(state) if state is not None else settings.state or root / STATE_FOLDER
        return Session(partial(open_local, root, folder))
    except ThanoSQLError as error:
        raise error.with_traceback(None) from None


class Remote:
    """A connection to a query service at an address."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        tls: bool | None = None,
        ca: Path | None = None,
        workspace: str = "",
        timeout: float = ANSWER_WITHIN,
    ) -> None:
        from thanosql.clients import QueryClient
        from thanosql.rpc.caller import name_caller
        from thanosql.rpc.channel import open_channel
        from thanosql.rpc.tls import ClientTls

        self.address, self.log = normal_address(address), ""
        if tls is None:
            tls = is_with_tls(address, ca)
        how = ClientTls(ca) if tls else None
        self.description = f"connected to {self.address}" + (" with TLS" if tls else "")
        self.description += f", workspace {workspace}" if workspace else ""
        check_port(self.address, timeout)
        if token and not tls:
            warn_of_clear_text(self.address)
        self._channel = open_channel(self.address, token, tls=how, workspace=workspace)
        self.client = QueryClient(self._channel, caller=name_caller())
        try:
            check_answer(self._channel, self.client, self.address, how, timeout)
        except BaseException:
            self._channel.close()
            raise

    def is_alive(self) -> bool:
        """A broken connection mends itself, or the next statement says what is wrong."""
        return True

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def normal_address(address: str) -> str:
    """`host:port` of "host", "host:port", "grpc://host:port", "grpcs://host:port" or "[::1]:port".

    Raises:
        ThanoSQLError: it is none of these.
    """
    found = re.fullmatch(r"(?:(?:grpcs?|http)://)?(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?/?", address.strip())
    if found is None:
        raise ThanoSQLError(f"{address!r} is not an address", hint="Give host:port, as in localhost:8470.")
    return f"{found[1]}:{found[2] or DEFAULT_PORT}"


def is_with_tls(address: str, ca: Path | None) -> bool:
    """Whether a server is called with TLS where nothing else is said.

    >>> [is_with_tls(each, None) for each in ("host:8470", "grpc://host:8470", "grpcs://host:8470")]
    [False, False, True]
    """
    scheme, separator, _ = address.strip().partition("://")
    return scheme == "grpcs" if separator else ca is not None


_warned: set[str] = set()


def warn_of_clear_text(address: str) -> None:
    """Warns, once for each server, that the token can be read on its way there."""
    from thanosql.rpc.port import is_loopback

    if is_loopback(address.rsplit(":", 1)[0]) or address in _warned:
        return
    _warned.add(address)
    warnings.warn(
        f"the token goes to {address} unencrypted, and so does everything else. Where the server has TLS, connect with "
        f"grpcs://{address}, tls=True or ca='file'.",
        stacklevel=2,
    )


def check_port(address: str, seconds: float = ANSWER_WITHIN) -> None:
    """Raises `Unavailable`, with the reason, where nothing listens at `address`."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except (OSError, OverflowError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise Unavailable(
            f"nothing answers at {address}: {reason}",
            hint="Is the server started (thanosql up), and the address right? Without an address, connect() starts "
            "services of its own.",
        ) from None


def check_answer(
    channel: grpc.Channel,
    client: QueryClient,
    address: str,
    tls: ClientTls | None = None,
    seconds: float = ANSWER_WITHIN,
) -> None:
    """Raises where what listens at `address` is no query service, or wants another token."""
    import grpc

    try:
        grpc.channel_ready_future(channel).result(timeout=seconds)
        # Cancelling a query that does not exist is the cheapest call that needs the token.
        with suppress(NotFound):
            client.cancel(NO_QUERY)
    except (grpc.FutureTimeoutError, NotSupported, InternalError, Unavailable, TimedOut) as error:
        from thanosql.rpc.tls import explain_failure

        if why := explain_failure(address, tls):
            raise Unavailable(f"the server at {address} is not understood", hint=why) from None
        reason = error.message if isinstance(error, ThanoSQLError) else "it does not speak gRPC"
        if isinstance(error, NotSupported):
            reason = "it does not know that service's calls"
        raise Unavailable(
            f"what listens at {address} is not ThanoSQL's query service: {reason}",
            hint=f"The query service's port is {DEFAULT_PORT} unless it was started with another.",
        ) from None
