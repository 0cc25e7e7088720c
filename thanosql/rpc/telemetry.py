"""Traces of calls, by OpenTelemetry, where an endpoint is configured: a statement is one trace through the services.

A server's call and a client's call are a span each, with OpenTelemetry's names for gRPC; the context travels in the
W3C headers. (opentelemetry-instrumentation-grpc is not used: its client gives a stream of answers as a generator that
cannot be cancelled and makes its span the current one for whoever reads it, and its server does not see
`abort_with_status`.) Nothing of OpenTelemetry is imported where no endpoint is configured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from thanosql.errors import Unavailable

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from thanosql.configuration import ServiceConfig

End = Callable[[str], None]
"""Takes the name of a call's gRPC status."""

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
            from opentelemetry import propagate, trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Unavailable(
                f"traces are to be sent to {endpoint}, and OpenTelemetry is not installed ({error})",
                hint="pip install 'thanosql-speech[telemetry]', or leave --otlp-endpoint empty.",
            ) from error
        self._trace, self._propagate = trace, propagate
        # A provider of its own, not the process's: in local mode four services share a process.
        self._provider = TracerProvider(resource=Resource.create({"service.name": f"{service}_service"}))
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_SEND_WITHIN
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("thanosql")
        self.users = 0

    def begin_answer(self, method: str, metadata: Iterable[tuple[str, Any]] | None, request_id: str) -> End:
        """A call has come in: its span is the current one of this thread or task until the end."""
        from opentelemetry.context import attach, detach

        caller = self._propagate.extract(dict(metadata or ()))
        span = self._tracer.start_span(
            _name(method),
            context=caller,
            kind=self._trace.SpanKind.SERVER,
            attributes={**_attributes(method), "thanosql.request_id": request_id},
        )
        thread = threading.get_ident()
        token = attach(self._trace.set_span_in_context(span, caller))

        def end(status: str) -> None:
            self._finish(span, status, failed=status in _SERVER_FAULTS)
            # A stream that its caller has left may be ended by another thread, which has another context.
            if threading.get_ident() == thread:
                detach(token)

        return end

    def begin_call(self, method: str) -> tuple[list[tuple[str, str]], End]:
        """A call goes out: the metadata that it shall carry, and what to tell its end."""
        span = self._tracer.start_span(_name(method), kind=self._trace.SpanKind.CLIENT, attributes=_attributes(method))
        headers: dict[str, str] = {}
        self._propagate.inject(headers, self._trace.set_span_in_context(span))

        def end(status: str) -> None:
            self._finish(span, status, failed=status != "OK")

        return list(headers.items()), end

    def origin(self) -> object:
        """What this thread or task works for: to be given to `record_batch`, in whichever thread."""
        return self._trace.get_current_span().get_span_context()

    def record_batch(
        self, origins: Sequence[Any], compute_seconds: float, attributes: dict[str, str | int | float]
    ) -> None:
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


def _nothing() -> None:
    pass


def _name(method: str) -> str:
    return method.removeprefix("/")


def _attributes(method: str) -> dict[str, str]:
    service, _, name = _name(method).partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
