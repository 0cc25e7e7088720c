"""Whom a request is made for: its token and workspace are passed on to the query service, which alone knows tokens."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress

from starlette.requests import Request

from thanosql.clients import QueryClient
from thanosql.connection import NO_QUERY, is_with_tls, normal_address
from thanosql.errors import NotFound, Unauthenticated, Unavailable
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.failures import Refusal
from thanosql.rpc.channel import open_channel
from thanosql.rpc.health_call import ask_health
from thanosql.rpc.identity import WORKSPACE_KEY
from thanosql.rpc.passed_on import pass_on
from thanosql.rpc.port import is_loopback
from thanosql.rpc.telemetry import Tracing
from thanosql.rpc.tls import ClientTls
from thanosql.workspace import is_name

log = logging.getLogger(__name__)

WORKSPACE_HEADER = "thanosql-workspace"
"""Chosen by administrators; others have the workspace of their token."""
TRACEPARENT = "traceparent"
HEALTH_SECONDS = 2.0

_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Callers:
    """Gives each request a client that speaks for its caller, over one channel.

    Args:
        config: Where the query service is, and who can reach the gateway.
        tracing: Where traces go; None: a caller's are passed on as they came.

    Raises:
        ThanoSQLError: the address of the query service is none.
        NotFound: the certificates cannot be read.
    """

    def __init__(self, config: GatewayConfig, tracing: Tracing | None) -> None:
        self._address = normal_address(config.query)
        tls = ClientTls(config.query_ca) if is_with_tls(config.query, config.query_ca) else None
        self._channel = open_channel(self._address, tracing=tracing, tls=tls)
        self._passes_traces = tracing is None
        self._is_private = is_loopback(config.host) or config.insecure
        self._is_guarded = self._is_private

    def client(self, request: Request) -> QueryClient:
        """A client for the caller of `request`.

        Raises:
            Refusal: its token or workspace is none that could be sent.
        """
        metadata: list[tuple[str, str]] = []
        if token := read_token(request):
            metadata.append(("authorization", f"Bearer {token}"))
        elif not self._is_private:
            raise _no_token()
        if workspace := request.headers.get(WORKSPACE_HEADER):
            if not is_name(workspace):
                raise Refusal(400, f"{workspace!r} is no name of a workspace", "invalid_value", WORKSPACE_HEADER)
            metadata.append((WORKSPACE_KEY, workspace))
        trace = request.headers.get(TRACEPARENT, "")
        if self._passes_traces and _TRACE.fullmatch(trace):
            metadata.append((TRACEPARENT, trace))
        host = request.client.host if request.client else "somewhere"
        return QueryClient(pass_on(self._channel, metadata), self._address, caller=f"http {host}")

    async def admit(self, request: Request) -> QueryClient:
        """A client for the caller of `request`, whose token the query service has found to be right.

        Raises:
            Unauthenticated: it is not.
            Unavailable: the query service cannot be reached, or would let everybody in.
        """
        client = self.client(request)
        if not self._is_guarded:
            await asyncio.to_thread(self._check_guard)
        await asyncio.to_thread(_ask_for_nothing, client)
        return client

    async def is_ready(self) -> bool:
        """Whether the query service takes calls."""
        return bool(await asyncio.to_thread(ask_health(self._channel, HEALTH_SECONDS)))

    def close(self) -> None:
        """Ends what is under way."""
        self._channel.close()

    def _check_guard(self) -> None:
        """Raises where other machines reach the gateway and the query service asks nobody for a token."""
        try:
            _ask_for_nothing(QueryClient(self._channel, self._address))
        except Unauthenticated:
            self._is_guarded = True
            return
        log.error("the query service at %s asks for no token: nothing is answered", self._address)
        raise Unavailable(
            "this gateway is reached from other machines, and the query service behind it asks nobody for a token",
            hint="Start the services with THANOSQL_TOKEN, or the gateway with --insecure where whoever reaches it may "
            "do everything.",
        )


def read_token(request: Request) -> str:
    """What a request carries as `Authorization: Bearer …`; empty: nothing.

    Raises:
        Refusal: the header is another one, or what it carries cannot be a token.
    """
    header = request.headers.get("authorization", "")
    if not header:
        return ""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        raise _no_token()
    return token


def _no_token() -> Refusal:
    return Refusal(
        401,
        "a token is asked for",
        "invalid_api_key",
        hint="Send it as the header Authorization: Bearer …; OpenAI's clients do with api_key=….",
        headers=(("WWW-Authenticate", "Bearer"),),
    )


def _ask_for_nothing(client: QueryClient) -> None:
    """Cancels a query that does not exist: the cheapest call that needs the token."""
    with suppress(NotFound):
        client.cancel(NO_QUERY)
