"""QueryService: translates between messages and the registry of queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import BoundedSemaphore
from typing import Any

import grpc

from query_service.event_log import Reader
from query_service.queries import QueryRegistry
from thanosql.clients import QUERY_EVENTS
from thanosql.convert import to_message
from thanosql.errors import Overloaded
from thanosql.types import Event
from thanosql.v1 import query_pb2, query_pb2_grpc

_FIELDS = {kind: name for name, kind in QUERY_EVENTS.items()}


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """The service that users call.

    Args:
        queries: Starts, finds and stops queries.
        most_streams: Streams that may be open at a time; each holds a thread.
    """

    def __init__(self, queries: QueryRegistry, most_streams: int) -> None:
        self._queries = queries
        self._streams = BoundedSemaphore(most_streams)

    def Execute(self, request: query_pb2.ExecuteRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:  # noqa: N802
        """Runs a text; the work goes on when the stream breaks."""
        with self._stream():
            yield from _events(self._queries.execute(request.text, request.query_id), context)

    def Attach(self, request: query_pb2.AttachRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:  # noqa: N802
        """Follows a query from an event on."""
        with self._stream():
            yield from _events(self._queries.attach(request.query_id, request.next_event), context)

    def Cancel(self, request: query_pb2.CancelRequest, context: grpc.ServicerContext) -> query_pb2.CancelResponse:  # noqa: N802
        """Stops a query."""
        del context
        return query_pb2.CancelResponse(cancelled=self._queries.cancel(request.query_id))

    def _stream(self) -> Any:
        if not self._streams.acquire(blocking=False):
            raise Overloaded("too many results are being read", hint="Try again when one has ended.", retry_after=2.0)
        return _Released(self._streams)


class _Released:
    def __init__(self, semaphore: BoundedSemaphore) -> None:
        self._semaphore = semaphore

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._semaphore.release()


def _events(reader: Reader, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
    with closing(reader):
        # A caller that goes away ends the wait for the next event.
        if not context.add_callback(reader.close):
            return
        for event in reader:
            yield _message(event)


def _message(event: Event) -> query_pb2.Event:
    message = query_pb2.Event(number=event.number)
    name = _FIELDS[type(event.event)]
    field: Any = getattr(message, name)
    field.CopyFrom(to_message(event.event, type(field)))
    return message
