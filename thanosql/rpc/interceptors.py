"""What every call passes on its way into a servicer: it gets its id, the token is checked, failures become statuses,
its end is logged, and the calls that outlast the grace of a server that stops are ended.

One object wraps a method's behaviour; it comes in a threaded and an asyncio form, which differ only in how they wait.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import grpc
import grpc.aio

from thanosql.monitoring.calls import CallFigures
from thanosql.rpc.calls import (
    Audit,
    Authenticate,
    Call,
    Handler,
    admit,
    as_ours,
    begin_span,
    log_end,
    rewrap,
    stopping,
    trailer,
)
from thanosql.rpc.logs import read_query_id, read_request_id, set_query_id, set_request_id
from thanosql.rpc.policy import is_open
from thanosql.rpc.status import to_status
from thanosql.rpc.telemetry import Tracing


class ThreadedInterceptor(grpc.ServerInterceptor):
    """For `grpc.server`.

    Args:
        service: Name of the service, for messages.
        authenticate: Whom a call is made for; refuses those that may not be made.
        tracing: Makes a span of each call.
        figures: Counts the calls.
        audit: Is told method, status and seconds of each call, in the context of whom it was made for.
    """

    def __init__(
        self,
        service: str,
        authenticate: Authenticate,
        tracing: Tracing | None = None,
        figures: CallFigures | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._service, self._authenticate, self._tracing, self._figures = service, authenticate, tracing, figures
        self._audit = audit
        self._draining = self._terminating = False
        self._lock = threading.Lock()
        self.running = 0
        """Calls that are being answered now."""

    def drain(self) -> None:
        """Calls that come from now on are refused as unavailable; gRPC would drop some of them without a word."""
        self._draining = True

    def terminate(self) -> None:
        """Streams that send anything from now on, or ask whether they are active, end as unavailable.

        A thread that waits for something else cannot be woken from here.
        """
        self._terminating = True

    def intercept_service(self, continuation: Call, details: grpc.HandlerCallDetails) -> Handler:
        """Wraps the method that `details` names."""
        handler = continuation(details)
        method = details.method
        if handler is None or is_open(method):  # health and reflection: mixed kinds of behaviour
            return handler
        request_id = read_request_id(details.invocation_metadata)

        def unary(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Any:
                end, status = self._begin(details, request_id), "CANCELLED"
                try:
                    if self._draining:
                        raise stopping(self._service, was_begun=False)
                    admit(self._authenticate, details, context.peer())
                    answer = behaviour(request, context)
                    context.set_trailing_metadata((trailer(),))
                    status = "OK"
                    return answer
                except Exception as error:
                    failure = to_status(as_ours(error, method))
                    status = failure.code.name
                    return _abort(context, failure)
                finally:
                    end("unary", status)
                    set_request_id("")

            return call

        def stream(behaviour: Callable[..., Any]) -> Callable[..., Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                end, status = self._begin(details, request_id), "CANCELLED"
                watched = _WatchedContext(context, lambda: self._terminating)
                try:
                    if self._draining:
                        raise stopping(self._service, was_begun=False)
                    admit(self._authenticate, details, context.peer())
                    for response in behaviour(request, watched):
                        if self._terminating:
                            raise stopping(self._service)
                        yield response
                    if watched.was_told:
                        raise stopping(self._service)
                    context.set_trailing_metadata((trailer(),))
                    status = "OK"
                except Exception as error:
                    failure = to_status(as_ours(error, method))
                    status = failure.code.name
                    _abort(context, failure)
                finally:
                    end("stream", status)

            return call

        return rewrap(handler, unary, stream)

    def _begin(self, details: grpc.HandlerCallDetails, request_id: str) -> Callable[[str, str], None]:
        """A call begins; gives what is told its kind and how it ended."""
        set_request_id(request_id)
        set_query_id(read_query_id(details.invocation_metadata))
        begin = time.monotonic()
        span = begin_span(self._tracing, details, request_id)
        self._count(1)
        if self._figures is not None:
            self._figures.begin(details.method)

        def end(kind: str, status: str) -> None:
            self._count(-1)
            if self._figures is not None:
                self._figures.end(details.method, status, time.monotonic() - begin)
            log_end(details.method, kind, status, begin)
            if self._audit is not None:
                self._audit(details.method, status, time.monotonic() - begin)
            if span is not None:
                span(status)

        return end

    def _count(self, more: int) -> None:
        with self._lock:
            self.running += more


class _WatchedContext:
    """A stream's context that is no longer active once the server ends what outlasts its grace."""

    def __init__(self, context: grpc.ServicerContext, is_ending: Callable[[], bool]) -> None:
        self._context, self._is_ending = context, is_ending
        self.was_told = False
        """The servicer has asked, and ends for this reason."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def is_active(self) -> bool:
        """Whether somebody listens, and shall be answered."""
        self.was_told = self.was_told or self._is_ending()
        return not self.was_told and self._context.is_active()


def _abort(context: grpc.ServicerContext, status: Any) -> None:
    if not context.is_active():  # the caller has gone: nobody to tell, and abort() would raise into the log
        return
    # A status of grpc_status is a named tuple.
    context.abort_with_status(status._replace(trailing_metadata=(*(status.trailing_metadata or ()), trailer())))


_details: ContextVar[grpc.HandlerCallDetails] = ContextVar("details")
"""Of the call that this task answers."""


class AsyncioInterceptor(grpc.aio.ServerInterceptor):
    """For `grpc.aio.server`.

    Args:
        service: Name of the service, for messages.
        authenticate: Whom a call is made for; refuses those that may not be made.
        tracing: Makes a span of each call.
        figures: Counts the calls.
    """

    def __init__(
        self,
        service: str,
        authenticate: Authenticate,
        tracing: Tracing | None = None,
        figures: CallFigures | None = None,
    ) -> None:
        self._service, self._authenticate, self._tracing, self._figures = service, authenticate, tracing, figures
        self._draining = self._terminating = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._wrapped: dict[str, Handler] = {}

    @property
    def running(self) -> int:
        """Calls that are being answered now."""
        return len(self._tasks)

    def drain(self) -> None:
        """Calls that come from now on are refused as unavailable; gRPC would drop some of them without a word."""
        self._draining = True

    def terminate(self) -> None:
        """Ends the running calls as unavailable; to be called on the event loop."""
        self._terminating = True
        for task in list(self._tasks):
            task.cancel()

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wraps the method that `details` names, once for all its calls: that would cost more than most of them."""
        _details.set(details)  # each call has a task of its own, which is this one
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(details)
        if handler is None or is_open(details.method):  # health and reflection: mixed kinds of behaviour
            return handler
        self._wrapped[details.method] = wrapped = rewrap(handler, self._wrap_unary, self._wrap_stream)
        return wrapped

    def _wrap_unary(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> Any:
            details = _details.get()
            end = self._begin(details, "unary")
            try:
                if self._draining:
                    raise stopping(self._service, was_begun=False)
                admit(self._authenticate, details, context.peer())
                answer = await behaviour(request, context)
                context.set_trailing_metadata((trailer(),))
                end("OK")
                return answer
            except grpc.aio.AbortError:
                end(_code_of(context))
                raise
            except (Exception, asyncio.CancelledError) as error:
                await self._abort(context, error, details.method, end)

        return call

    def _wrap_stream(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            details = _details.get()
            end = self._begin(details, "stream")
            try:
                if self._draining:
                    raise stopping(self._service, was_begun=False)
                admit(self._authenticate, details, context.peer())
                async for response in behaviour(request, context):
                    yield response
                context.set_trailing_metadata((trailer(),))
                end("OK")
            except grpc.aio.AbortError:
                end(_code_of(context))
                raise
            except GeneratorExit:
                end("CANCELLED")
                raise
            except (Exception, asyncio.CancelledError) as error:
                await self._abort(context, error, details.method, end)

        return call

    def _begin(self, details: grpc.HandlerCallDetails, kind: str) -> Callable[[str], None]:
        """A call begins; gives what is told how it ended."""
        request_id = read_request_id(details.invocation_metadata)
        set_request_id(request_id)
        set_query_id(read_query_id(details.invocation_metadata))
        span = begin_span(self._tracing, details, request_id)
        begin, task = time.monotonic(), asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self._figures is not None:
            self._figures.begin(details.method)

        def end(status: str) -> None:
            self._tasks.discard(task)
            if self._figures is not None:
                self._figures.end(details.method, status, time.monotonic() - begin)
            log_end(details.method, kind, status, begin)
            if span is not None:
                span(status)

        return end

    async def _abort(self, context: Any, error: BaseException, method: str, end: Callable[[str], None]) -> None:
        """Ends the call with the status of `error`; a cancellation of our own is a server that stops."""
        if isinstance(error, Exception):
            status = to_status(as_ours(error, method))
        elif self._terminating and not context.cancelled():
            status = to_status(stopping(self._service))
        else:
            end("CANCELLED")
            raise error
        end(status.code.name)
        await context.abort(status.code, status.details, (*(status.trailing_metadata or ()), trailer()))


def _code_of(context: Any) -> str:
    """The name of the status that a servicer has ended its call with."""
    code = context.code()
    return next((each.name for each in grpc.StatusCode if code in (each, each.value[0])), "UNKNOWN")
