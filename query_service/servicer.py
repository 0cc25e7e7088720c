"""QueryService: translates between messages, the registry of queries and the uploads."""

# ruff: noqa: N802, ARG002 (names and arguments are gRPC's)
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any

import grpc

from query_service.running.event_log import Reader
from query_service.running.queries import QueryRegistry
from query_service.uploading.uploads import Uploads
from thanosql.clients import QUERY_EVENTS
from thanosql.convert import from_message, to_message
from thanosql.errors import Overloaded
from thanosql.rpc.caller import read_caller
from thanosql.rpc.identity import current_identity
from thanosql.types import Event, UploadFile, UploadStart
from thanosql.v1 import query_pb2, query_pb2_grpc

_FIELDS = {kind: name for name, kind in QUERY_EVENTS.items()}


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """The service that users call.

    Args:
        queries: Starts, finds and stops queries.
        uploads: Takes files in.
        most_streams: Streams that may be open at a time; each holds a thread.
    """

    def __init__(self, queries: QueryRegistry, uploads: Uploads, most_streams: int) -> None:
        self._queries, self._uploads = queries, uploads
        self._streams = BoundedSemaphore(most_streams)

    def Execute(self, request: query_pb2.ExecuteRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
        """Runs a text; the work goes on when the stream breaks."""
        with self._stream():
            who = read_caller(context.invocation_metadata(), context.peer())
            yield from _events(self._queries.execute(request.text, request.query_id, who), context)

    def Attach(self, request: query_pb2.AttachRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
        """Follows a query from an event on."""
        with self._stream():
            yield from _events(self._queries.attach(request.query_id, request.next_event), context)

    def Cancel(self, request: query_pb2.CancelRequest, context: grpc.ServicerContext) -> query_pb2.CancelResponse:
        """Stops a query."""
        return query_pb2.CancelResponse(cancelled=self._queries.cancel(request.query_id))

    def FindUploads(
        self, request: query_pb2.FindUploadsRequest, context: grpc.ServicerContext
    ) -> query_pb2.FindUploadsResponse:
        """How much of some files is there already."""
        files = [from_message(each, UploadFile) for each in request.files]
        states = self._uploads.find(current_identity().workspace, files, request.overwrite)
        return query_pb2.FindUploadsResponse(files=[to_message(each, query_pb2.UploadState) for each in states])

    def Upload(
        self, requests: Iterator[query_pb2.UploadRequest], context: grpc.ServicerContext
    ) -> Iterator[query_pb2.UploadedFile]:
        """Takes files into the workspace."""
        for ended in self._uploads.receive(current_identity().workspace, _sent(requests), context.is_active):
            yield to_message(ended, query_pb2.UploadedFile)

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if not self._streams.acquire(blocking=False):
            raise Overloaded("too many results are being read", hint="Try again when one has ended.", retry_after=2.0)
        try:
            yield
        finally:
            self._streams.release()


def _events(reader: Reader, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
    with closing(reader):
        # A caller that goes away ends the wait for the next event.
        if not context.add_callback(reader.close):
            return
        for event in reader:
            yield _message(event)


def _sent(requests: Iterator[query_pb2.UploadRequest]) -> Iterator[UploadStart | bytes]:
    """What was sent of files, until the connection breaks."""
    with suppress(grpc.RpcError):
        for request in requests:
            if request.WhichOneof("request") == "start":
                yield from_message(request.start, UploadStart)
            else:
                yield request.chunk


def _message(event: Event) -> query_pb2.Event:
    message = query_pb2.Event(number=event.number)
    name = _FIELDS[type(event.event)]
    field: Any = getattr(message, name)
    field.CopyFrom(to_message(event.event, type(field)))
    return message
