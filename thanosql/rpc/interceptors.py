"""What every call passes on its way into a servicer: the token is checked, failures become statuses.

One object wraps a method's behaviour; it comes in a threaded and an asyncio form, which differ
only in how they wait.
"""

from __future__ import annotations

import hmac
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from thanosql import errors
from thanosql.rpc.status import to_status

log = logging.getLogger(__name__)

# Health checks and reflection say nothing of users' data, and probes carry no token.
_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")

Handler = Any  # grpc.RpcMethodHandler: a named tuple that the type stubs know only in part
Call = Callable[[grpc.HandlerCallDetails], Handler]


def _is_allowed(details: grpc.HandlerCallDetails, token: str) -> bool:
    if not token or details.method.startswith(_OPEN):
        return True
    sent = dict(details.invocation_metadata or ()).get("authorization", "")
    return hmac.compare_digest(str(sent).encode(), f"Bearer {token}".encode())


def _refusal() -> errors.Unauthenticated:
    return errors.Unauthenticated(
        "the token is missing or wrong",
        hint="Give the server's token: thanosql.connect(address, token=…) or %thanosql API_TOKEN=… in a notebook.",
    )


def _as_ours(error: Exception, method: str) -> errors.ThanoSQLError:
    """Our own errors as they are; anything else as an internal error, its text kept in the log."""
    if isinstance(error, errors.ThanoSQLError) and type(error) is not errors.ThanoSQLError:
        return error
    if isinstance(error, errors.ThanoSQLError):  # from a newer peer: no status of its own
        return errors.DataError(error.message, hint=error.hint)
    request_id = uuid.uuid4().hex[:12]
    log.error("request %s, %s failed", request_id, method, exc_info=error)
    return errors.InternalError(
        "internal error", hint="This is a fault of the server: its log has the details.", request_id=request_id
    )


def _rewrap(handler: Handler, unary: Callable[..., Any], stream: Callable[..., Any]) -> Handler:
    """A handler of the same kind, with its behaviour inside `unary` or `stream`."""
    kinds = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
    }
    attribute, make = kinds[handler.request_streaming, handler.response_streaming]
    wrap = stream if handler.response_streaming else unary
    return make(
        wrap(getattr(handler, attribute)),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


class ThreadedInterceptor(grpc.ServerInterceptor):
    """Token check and error translation for `grpc.server`."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept_service(self, continuation: Call, details: grpc.HandlerCallDetails) -> Handler:
        """Wraps the method that `details` names."""
        handler = continuation(details)
        if handler is None:
            return None
        allowed = _is_allowed(details, self._token)
        method = details.method

        def unary(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Any:
                try:
                    if not allowed:
                        raise _refusal()
                    return behaviour(request, context)
                except Exception as error:
                    return _abort(context, error, method)

            return call

        def stream(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                try:
                    if not allowed:
                        raise _refusal()
                    yield from behaviour(request, context)
                except Exception as error:
                    _abort(context, error, method)

            return call

        return _rewrap(handler, unary, stream)


def _abort(context: grpc.ServicerContext, error: Exception, method: str) -> None:
    if not context.is_active():  # the caller has gone: nobody to tell, and abort() would raise into the log
        return
    context.abort_with_status(to_status(_as_ours(error, method)))


class AsyncioInterceptor(grpc.aio.ServerInterceptor):
    """Token check and error translation for `grpc.aio.server`."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wraps the method that `details` names."""
        handler = await continuation(details)
        if handler is None:
            return None
        if not details.method.startswith("/thanosql."):  # health and reflection: mixed kinds of behaviour
            return handler
        allowed = _is_allowed(details, self._token)
        method = details.method

        def unary(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            async def call(request: Any, context: Any) -> Any:
                try:
                    if not allowed:
                        raise _refusal()
                    return await behaviour(request, context)
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort_asynchronously(context, error, method)

            return call

        def stream(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            async def call(request: Any, context: Any) -> AsyncIterator[Any]:
                try:
                    if not allowed:
                        raise _refusal()
                    async for response in behaviour(request, context):
                        yield response
                except grpc.aio.AbortError:
                    raise
                except Exception as error:
                    await _abort_asynchronously(context, error, method)

            return call

        return _rewrap(handler, unary, stream)


async def _abort_asynchronously(context: Any, error: Exception, method: str) -> None:
    status = to_status(_as_ours(error, method))
    await context.abort(status.code, status.details, status.trailing_metadata)
