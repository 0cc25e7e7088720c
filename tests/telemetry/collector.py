"""A collector of OpenTelemetry spans in this process: an OTLP server that keeps what is sent to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was sent."""

    service: str
    pid: int
    name: str
    kind: str
    """internal, server, client."""
    trace: str
    id: str
    parent: str
    """Empty: it has none."""
    begin: int
    """Nanoseconds since 1970."""
    end: int
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    """Ids of spans."""
    failed: bool


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that are sent to it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._spans: list[CollectedSpan] = []
        self.endpoint = ""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            told = _values(resource.resource.attributes)
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            with self._changed:
                self._spans += [_read(span, str(told["service.name"]), int(told["process.pid"])) for span in spans]
                self._changed.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[CollectedSpan]:
        with self._changed:
            return list(self._spans)

    def wait_for(self, suits: Callable[[CollectedSpan], bool], seconds: float = 60.0) -> CollectedSpan:
        """The first span that suits, once it has come: services send theirs every few seconds."""
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                found = next((span for span in self._spans if suits(span)), None)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"no such span among {sorted({span.name for span in self._spans})}"
                self._changed.wait(left)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, as long as the block runs."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(1).wait()


def _read(span: SpanMessage, service: str, pid: int) -> CollectedSpan:
    return CollectedSpan(
        service,
        pid,
        span.name,
        SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        tuple(link.span_id.hex() for link in span.links),
        span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
