"""QueryService: translates between messages, the registry of queries, the uploads and the tokens."""

# ruff: noqa: N802, ARG002 (names and arguments are gRPC's)
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Lock
from typing import Any

import grpc

from query_service.callers.identify import Callers
from query_service.config import QueryConfig
from query_service.running.event_log import Reader
from query_service.running.queries import QueryRegistry
from query_service.transcribing.sent_speech import SentSpeech
from query_service.uploading.quiet import while_heard
from query_service.uploading.uploads import Uploads
from thanosql.clients import QUERY_EVENTS
from thanosql.convert import from_message, to_message
from thanosql.errors import InvalidOption, Overloaded
from thanosql.parameter_messages import from_parameters
from thanosql.rpc.caller import read_caller
from thanosql.rpc.identity import current_identity
from thanosql.types import (
    ClipFailure,
    Event,
    Role,
    Rows,
    TokenInfo,
    TranscribeClip,
    TranscribeStart,
    Transcript,
    UploadFile,
    UploadStart,
)
from thanosql.v1 import inference_pb2, query_pb2, query_pb2_grpc, types_pb2

START_WITHIN = 30.0
"""Seconds for the first message of a call that sends recordings."""

_FIELDS = {kind: name for name, kind in QUERY_EVENTS.items()}


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    """The service that users call.

    Args:
        config: How much one token may do at a time.
        queries: Starts, finds and stops queries.
        uploads: Takes files in.
        callers: Knows tokens, and gives them.
        speech: Transcribes recordings that are sent.
        most_streams: Streams that may be open at a time; each holds a thread.
    """

    def __init__(
        self,
        config: QueryConfig,
        queries: QueryRegistry,
        uploads: Uploads,
        callers: Callers,
        speech: SentSpeech,
        most_streams: int,
    ) -> None:
        self._queries, self._uploads, self._callers, self._speech = queries, uploads, callers, speech
        self._streams = _Streams(most_streams, 2 * config.most_queries_per_token)

    def Execute(self, request: query_pb2.ExecuteRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
        """Runs a text; the work goes on when the stream breaks."""
        with self._streams.open(current_identity().token):
            who = current_identity().name or read_caller(context.invocation_metadata(), context.peer())
            parameters = from_parameters(request.parameters)
            yield from _events(self._queries.execute(request.text, request.query_id, who, parameters), context)

    def Attach(self, request: query_pb2.AttachRequest, context: grpc.ServicerContext) -> Iterator[query_pb2.Event]:
        """Follows a query from an event on."""
        with self._streams.open(current_identity().token):
            yield from _events(self._queries.attach(request.query_id, request.next_event), context)

    def Cancel(self, request: query_pb2.CancelRequest, context: grpc.ServicerContext) -> query_pb2.CancelResponse:
        """Stops a query."""
        return query_pb2.CancelResponse(cancelled=self._queries.cancel(request.query_id))

    def Transcribe(
        self, requests: Iterator[inference_pb2.TranscribeRequest], context: grpc.ServicerContext
    ) -> Iterator[inference_pb2.TranscribeResponse]:
        """Transcribes recordings that are sent."""
        with self._streams.open(current_identity().token):
            # Or whoever opens streams and says nothing would take everybody's places.
            with closing(while_heard(requests, context.cancel, START_WITHIN)) as watched:
                opening = next(watched, None)
            if opening is None or opening.WhichOneof("request") != "start":
                raise InvalidOption("the first message is not the start", hint="Send TranscribeStart, then the clips.")
            start = from_message(opening.start, TranscribeStart)
            answers = self._speech.transcribe(start, _clips_of(requests), context.add_callback)
            with closing(answers):
                for answer in answers:
                    yield _transcribed(answer)

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
        for ended in self._uploads.receive(
            current_identity().workspace, _sent(while_heard(requests, context.cancel)), context.is_active
        ):
            yield to_message(ended, query_pb2.UploadedFile)

    def CreateToken(
        self, request: types_pb2.CreateTokenRequest, context: grpc.ServicerContext
    ) -> types_pb2.CreateTokenResponse:
        """A new token, and its secret, which is told this once."""
        token, secret = self._callers.create(request.name, _role(request.role), request.workspace, request.seconds)
        return types_pb2.CreateTokenResponse(token=_info(token), secret=secret)

    def ListTokens(
        self, request: types_pb2.ListTokensRequest, context: grpc.ServicerContext
    ) -> types_pb2.ListTokensResponse:
        """The tokens, the newest first."""
        return types_pb2.ListTokensResponse(tokens=[_info(each) for each in self._callers.list(request.workspace)])

    def RevokeToken(
        self, request: types_pb2.RevokeTokenRequest, context: grpc.ServicerContext
    ) -> types_pb2.RevokeTokenResponse:
        """Ends a token at once."""
        return types_pb2.RevokeTokenResponse(token=_info(self._callers.revoke(request.token)))


class _Streams:
    """The results that are being read: so many in all, and so many of one token."""

    def __init__(self, most: int, most_per_token: int) -> None:
        self._most, self._most_per_token = most, most_per_token
        self._lock = Lock()
        self._open: Counter[str] = Counter()

    @contextmanager
    def open(self, token: str) -> Iterator[None]:
        """One is being read within it."""
        with self._lock:
            if self._open.total() >= self._most:
                message = f"{self._most} results are being read, as many as this server takes"
                raise Overloaded(message, hint="Try again when one has ended.", retry_after=2.0)
            if token and self._open[token] >= self._most_per_token:
                message = f"{self._most_per_token} results are being read with this token, as many as one may"
                raise Overloaded(message, hint="Read them to their end, or close them, and try again.", retry_after=2.0)
            self._open[token] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[token] -= 1
                self._open += Counter()  # forgets tokens that read nothing


def _role(number: Any) -> Role:
    try:
        return Role[types_pb2.Role.Name(number).removeprefix("ROLE_")]
    except ValueError:
        raise InvalidOption(f"there is no role of the number {number}", hint="Take a newer server.") from None


def _info(token: TokenInfo) -> types_pb2.TokenInfo:
    return to_message(token, types_pb2.TokenInfo)


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


def _clips_of(requests: Iterator[inference_pb2.TranscribeRequest]) -> Iterator[TranscribeClip]:
    for request in requests:
        yield from_message(request.clip, TranscribeClip)


def _transcribed(answer: Transcript | ClipFailure) -> inference_pb2.TranscribeResponse:
    if isinstance(answer, ClipFailure):
        return inference_pb2.TranscribeResponse(failure=to_message(answer, inference_pb2.ClipFailure))
    return inference_pb2.TranscribeResponse(transcript=to_message(answer, inference_pb2.Transcript))


def _message(event: Event) -> query_pb2.Event:
    message = query_pb2.Event(number=event.number)
    if isinstance(event.event, Rows):  # megabytes, which are copied no more often than need be
        message.rows.ipc = event.event.ipc
        return message
    name = _FIELDS[type(event.event)]
    field: Any = getattr(message, name)
    field.CopyFrom(to_message(event.event, type(field)))
    return message
