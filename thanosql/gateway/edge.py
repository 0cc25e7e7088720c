"""What is common to all requests: an id, limits, the log, metrics, traces, and what their failures become."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from thanosql.errors import ThanoSQLError, Unavailable
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.failures import Refusal, respond
from thanosql.gateway.metrics import RequestFigures
from thanosql.rpc.calls import as_ours
from thanosql.rpc.logs import METADATA_KEY, current_request_id, is_sane, new_request_id, set_query_id, set_request_id
from thanosql.rpc.telemetry import EndRequest, Tracing

log = logging.getLogger(__name__)

NO_ROUTE = "(none)"
"""Stands for the paths of requests that nothing answers, which may be anything."""
CLIENT_LEFT = "499"
UNCOUNTED = ("/live", "/ready")
"""Routes that are answered however much there is to do."""
UPLOAD = "/v1/audio/transcriptions"


class TooSlow(Exception):
    """A caller takes nothing of the answer."""


@dataclass
class _Exchange:
    """A request and its answer, as they come and go."""

    route: str
    most_bytes: int
    deadline: float
    """On the loop's clock, for the whole body."""
    received: int = 0
    is_whole: bool = False
    """The body has come to its end."""
    status: str = CLIENT_LEFT
    has_begun: bool = False
    begin: float = field(default_factory=time.monotonic)


class Edge:
    """Stands before the application.

    Args:
        app: What answers.
        routes: Its routes, to count by.
        config: The limits.
        figures: Counts requests.
        tracing: Where traces go; None: nowhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[Route],
        config: GatewayConfig,
        figures: RequestFigures,
        tracing: Tracing | None,
    ) -> None:
        self._app, self._routes, self._config = app, tuple(routes), config
        self._figures, self._tracing = figures, tracing
        self.is_stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; raises only to have the connection cut in the middle of an answer."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        sent = headers.get(METADATA_KEY, "")
        set_request_id(sent if is_sane(sent) else new_request_id())
        set_query_id("")
        exchange = self._begin(scope)
        end_span: EndRequest | None = None
        if self._tracing is not None:
            end_span = self._tracing.begin_request(scope["method"], exchange.route, dict(headers), current_request_id())
        self._figures.begin()
        try:
            await self._answer(scope, headers, exchange, receive, send)
        finally:
            seconds = time.monotonic() - exchange.begin
            self._figures.end(exchange.route, scope["method"], exchange.status, seconds, exchange.received)
            _log_end(scope["method"], exchange, seconds)
            if end_span is not None:
                end_span(int(exchange.status))

    def _begin(self, scope: Scope) -> _Exchange:
        route = next((each.path for each in self._routes if each.matches(scope)[0] is not Match.NONE), NO_ROUTE)
        most = self._config.upload_bytes if route == UPLOAD else self._config.body_bytes
        return _Exchange(route, most, asyncio.get_running_loop().time() + self._config.upload_seconds)

    async def _answer(self, scope: Scope, headers: Headers, exchange: _Exchange, receive: Receive, send: Send) -> None:
        taking, giving = self._taking(exchange, receive), self._giving(exchange, send)
        try:
            self._check(headers, exchange)
            scope["app"] = self._app  # without it, the router answers by itself what it has no route for
            await self._app(scope, taking, giving)
        except (ClientDisconnect, TooSlow):
            exchange.status = CLIENT_LEFT
        except asyncio.CancelledError:
            if not self.is_stopping or exchange.has_begun:
                raise
            error = Unavailable("the gateway is stopping, and the request was not done within the grace")
            await respond(error)(scope, taking, giving)
        except Exception as error:
            failure = _as_failure(error, scope["method"], exchange.route)
            if exchange.has_begun:
                # What was sent may not look whole: the connection is cut, as HTTP wants it.
                log.warning("an answer broke off: %s", failure)
                raise
            await respond(failure)(scope, taking, giving)

    def _check(self, headers: Headers, exchange: _Exchange) -> None:
        if exchange.route in UNCOUNTED:
            return
        if self.is_stopping:
            raise Unavailable("the gateway is stopping", hint="Try again when it is back.", retry_after=5.0)
        if self._figures.running > self._config.most_requests:
            raise Refusal(
                429,
                f"{self._config.most_requests} requests are being answered, as many as this gateway takes",
                "rate_limit_exceeded",
                hint="Try again in a moment.",
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > exchange.most_bytes:
            raise too_large(exchange.most_bytes)

    def _taking(self, exchange: _Exchange, receive: Receive) -> Receive:
        """`receive`, which waits for the body no longer than it may, and takes no more of it than it may."""

        async def take() -> Message:
            if exchange.is_whole:  # what comes now is the end of the connection
                return await receive()
            until = min(exchange.deadline, asyncio.get_running_loop().time() + self._config.quiet_seconds)
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Refusal(
                    408, "the body of the request did not come in time", "request_timeout", hint="Send it again."
                ) from None
            if message["type"] == "http.request":
                exchange.received += len(message.get("body", b""))
                exchange.is_whole = not message.get("more_body", False)
                if exchange.received > exchange.most_bytes:
                    raise too_large(exchange.most_bytes)
            return message

        return take

    def _giving(self, exchange: _Exchange, send: Send) -> Send:
        """`send`, which puts the id of the request on the answer, and waits no longer for its reader than it may."""

        async def give(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.has_begun = str(message["status"]), True
                headers = MutableHeaders(scope=message)
                headers[METADATA_KEY] = current_request_id()
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            try:
                async with asyncio.timeout(self._config.quiet_seconds):
                    await send(message)
            except TimeoutError:
                raise TooSlow from None

        return give


def too_large(most_bytes: int) -> Refusal:
    """A body that is larger than is taken."""
    return Refusal(
        413,
        f"the body of the request is larger than {most_bytes / 2**20:g} MiB, which is what this gateway takes",
        "request_too_large",
        hint="Send recordings as flac or mp3, or load them with thanosql upload and transcribe them with PREDICT.",
    )


def _as_failure(error: Exception, method: str, route: str) -> Refusal | ThanoSQLError:
    """What an exception is told as; what is no error of ours is logged, and told as an internal one."""
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, HTTPException):
        return as_ours(error, f"{method} {route}")
    hint = "GET /openapi.json describes what there is."
    if error.status_code == 404:
        return Refusal(404, "there is nothing at this path", "not_found", hint=hint)
    if error.status_code == 405:
        allowed = tuple((error.headers or {}).items())
        return Refusal(405, f"{method} is not to be had at this path", "method_not_allowed", hint=hint, headers=allowed)
    return Refusal(error.status_code, error.detail, "invalid_request")


def _log_end(method: str, exchange: _Exchange, seconds: float) -> None:
    """The access line. The path itself is not told: it may hold what users wrote."""
    level = logging.DEBUG if exchange.route in UNCOUNTED else logging.INFO
    fields = {
        "method": f"{method} {exchange.route}",
        "status": exchange.status,
        "seconds": round(seconds, 6),
        "received_bytes": exchange.received,
    }
    message = "%s %s %s in %.3f s"
    log.log(level, message, method, exchange.route, exchange.status, seconds, extra={"fields": fields})
