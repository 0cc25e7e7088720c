"""Traces of calls, by OpenTelemetry, where an endpoint is configured: a statement is one trace through the services.

A server's call and a client's call are a span each, with OpenTelemetry's names for gRPC; the context travels in the
W3C headers. What is done between is told by `thanosql.rpc.spans`. (opentelemetry-instrumentation-grpc is not used: its
client gives a stream of answers as a generator that cannot be cancelled and makes its span the current one for whoever
reads it, and its server does not see `abort_with_status`.) Nothing of OpenTelemetry is imported where no endpoint is
configured.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from thanosql.errors import Unavailable
from thanosql.rpc.spans import CURRENT, Value

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from thanosql.configuration import ServiceConfig

End = Callable[[str], None]
"""Takes the name of a call's gRPC status."""
EndRequest = Callable[[int], None]
"""Takes the status of an HTTP request."""

_SERVER_FAULTS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
"""The statuses that make a server's span a failed one (OpenTelemetry's conventions for gRPC)."""

_SEND_WITHIN = 2
"""Seconds for sending spans; so long may a collector that is not there hold up the end of a service."""

_lock = threading.Lock()
_open: dict[tuple[str, str], Tracing] = {}


class Tracing:
    """Makes the spans of one service, and sends them to one endpoint. Any thread may use it.

    Args:
        service: Name of the service.
        endpoint: Of an OTLP collector over gRPC: "http://host:4317".

    Raises:
        Unavailable: OpenTelemetry is not installed.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        try:
            from opentelemetry import context, propagate, trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Unavailable(
                f"traces are to be sent to {endpoint}, and OpenTelemetry is not installed ({error})",
                hint="pip install 'thanosql-speech[telemetry]', or leave --otlp-endpoint empty.",
            ) from error
        self._trace, self._propagate, self._context = trace, propagate, context
        # A provider of its own, not the process's: in local mode four services share a process.
        resource = Resource.create(
            {"service.name": f"{service}_service", "service.namespace": "thanosql", "process.pid": os.getpid()}
        )
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_SEND_WITHIN
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("thanosql")
        self.users = 0

    def begin_answer(self, method: str, metadata: Iterable[tuple[str, Any]] | None, request_id: str) -> End:
        """A call has come in: its span is the current one of this thread or task until the end."""
        attributes: dict[str, Value] = {**_attributes(method), "thanosql.request_id": request_id}
        span, leave = self._begin_serving(_name(method), dict(metadata or ()), attributes)

        def end(status: str) -> None:
            self._finish(span, status, failed=status in _SERVER_FAULTS)
            leave()

        return end

    def begin_request(self, method: str, route: str, headers: dict[str, str], request_id: str) -> EndRequest:
        """The same of an HTTP request; `route` is the template of its path."""
        attributes: dict[str, Value] = {
            "http.request.method": method,
            "http.route": route,
            "thanosql.request_id": request_id,
        }
        span, leave = self._begin_serving(f"{method} {route}", headers, attributes)

        def end(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(self._trace.StatusCode.ERROR, str(status))
            span.end()
            leave()

        return end

    def _begin_serving(
        self, name: str, headers: dict[str, Any], attributes: dict[str, Value]
    ) -> tuple[Span, Callable[[], None]]:
        """A server's span, and what has this thread or task leave it."""
        # Not the thread's own context, in which a stream that another thread has ended may have left its span.
        caller = self._propagate.extract(headers, self._context.Context())
        span = self._tracer.start_span(name, context=caller, kind=self._trace.SpanKind.SERVER, attributes=attributes)
        thread = threading.get_ident()
        before = CURRENT.set(self)
        token = self._context.attach(self._trace.set_span_in_context(span, caller))

        def leave() -> None:
            # A stream that its caller has left may be ended by another thread, which has another context.
            if threading.get_ident() == thread:
                self._context.detach(token)
                CURRENT.reset(before)

        return span, leave

    def begin_call(self, method: str) -> tuple[list[tuple[str, str]], End]:
        """A call goes out: the metadata that it shall carry, and what to tell its end.

        A call that is made for nobody's request, as a trainer's for a job to do, is not traced, nor what it leads to.
        """
        headers: dict[str, str] = {}
        if not self._trace.get_current_span().get_span_context().is_valid:
            self._propagate.inject(headers, self._unsampled())
            return list(headers.items()), _forget
        span = self._tracer.start_span(_name(method), kind=self._trace.SpanKind.CLIENT, attributes=_attributes(method))
        self._propagate.inject(headers, self._trace.set_span_in_context(span))

        def end(status: str) -> None:
            self._finish(span, status, failed=status != "OK")

        return list(headers.items()), end

    def begin_work(self, name: str, attributes: dict[str, Value]) -> Span:
        """A piece of work begins, as a part of the current one."""
        return self._tracer.start_span(name, attributes=attributes)

    def end_work(self, span: Span, error: BaseException | None) -> None:
        """It has ended; a generator that is closed before its end has not failed."""
        if error is not None and not isinstance(error, GeneratorExit):
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    def enter(self, span: Span) -> object:
        """From here on, what this thread or task does is a part of `span`."""
        return self._context.attach(self._trace.set_span_in_context(span))

    def enter_remote(self, traceparent: str) -> object:
        """From here on, what this thread or task does belongs to a trace that began elsewhere; empty: to none yet."""
        headers = {"traceparent": traceparent} if traceparent else {}
        return self._context.attach(self._propagate.extract(headers, self._context.Context()))

    def leave(self, token: Any) -> None:
        """Takes back what `enter` or `enter_remote` did."""
        self._context.detach(token)

    def headers(self) -> dict[str, str]:
        """What a call carries that belongs to the current span."""
        headers: dict[str, str] = {}
        self._propagate.inject(headers)
        return headers

    def ids(self) -> tuple[str, str]:
        """Of the current trace and span, in hexadecimal; empty where there is none."""
        current = self._trace.get_current_span().get_span_context()
        return (f"{current.trace_id:032x}", f"{current.span_id:016x}") if current.is_valid else ("", "")

    def origin(self) -> object:
        """What this thread or task works for: to be given to `record_batch`, in whichever thread."""
        return self._trace.get_current_span().get_span_context()

    def record_batch(self, origins: Sequence[Any], compute_seconds: float, attributes: dict[str, Value]) -> None:
        """A batch has been computed just now, for those origins: a span that links to each of them.

        It belongs to their trace where they have one in common.
        """
        calls = list({each.span_id: each for each in origins if each.is_valid}.values())
        if not calls:
            return
        context = None
        if len({each.trace_id for each in calls}) == 1:
            context = self._trace.set_span_in_context(self._trace.NonRecordingSpan(calls[0]))
        end = time.time_ns()
        span = self._tracer.start_span(
            "batch",
            context=context,
            links=[self._trace.Link(each) for each in calls],
            start_time=end - int(compute_seconds * 1e9),
            attributes=attributes,
        )
        span.end(end)

    def close(self) -> None:
        """Sends what is left, and ends the thread that sends."""
        self._provider.shutdown()

    def _unsampled(self) -> Context:
        """A trace that is not recorded."""
        trace = self._trace
        ids = trace.SpanContext(
            int.from_bytes(os.urandom(16)) or 1, int.from_bytes(os.urandom(8)) or 1, is_remote=False
        )
        context: Context = trace.set_span_in_context(trace.NonRecordingSpan(ids))
        return context

    def _finish(self, span: Span, status: str, *, failed: bool) -> None:
        from grpc import StatusCode

        span.set_attribute("rpc.grpc.status_code", StatusCode[status].value[0])
        if failed:
            span.set_status(self._trace.StatusCode.ERROR, status)
        span.end()


def find_tracing(config: ServiceConfig) -> Tracing | None:
    """The tracing of a service of this process; None: none is configured.

    Raises:
        Unavailable: OpenTelemetry is not installed.
    """
    if not config.otlp_endpoint:
        return None
    key = (config.service, config.otlp_endpoint)
    with _lock:
        if key not in _open:
            _open[key] = Tracing(*key)
        return _open[key]


def hold_tracing(config: ServiceConfig) -> Callable[[], None]:
    """Keeps the tracing of a service open; gives what lets it go, and closes it with its last server."""
    tracing = find_tracing(config)
    if tracing is None:
        return _nothing
    with _lock:
        tracing.users += 1

    def release() -> None:
        with _lock:
            tracing.users -= 1
            if tracing.users:
                return
            _open.pop((config.service, config.otlp_endpoint), None)
        tracing.close()

    return release


def user_headers() -> list[tuple[str, str]]:
    """What a call carries of the trace that the user's own program has under way, where it uses OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return []
    from opentelemetry import propagate

    headers: dict[str, str] = {}
    propagate.inject(headers)
    return list(headers.items())


def _nothing() -> None:
    pass


def _forget(_status: str) -> None:
    pass


def _name(method: str) -> str:
    return method.removeprefix("/")


def _attributes(method: str) -> dict[str, str]:
    service, _, name = _name(method).partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
