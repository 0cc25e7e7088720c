"""Transcribes by any server of the Open Inference Protocol: Triton, KServe, or another inference_service.

The model there takes a recording as the bytes of its file in `audio` and gives its `transcript`: what EXPORT MODEL
writes does so, and inference_service itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from thanosql.call_window import CallWindow
from thanosql.errors import (
    AudioError,
    Cancelled,
    InvalidRequest,
    NotFound,
    NotSupported,
    Overloaded,
    PathRefused,
    ThanoSQLError,
    UnknownModel,
)
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip import grpc_service_pb2_grpc as oip_grpc
from thanosql.open_inference_messages import prepare_request, read_transcript, with_audio, write_version
from thanosql.rpc.channel import MAX_MESSAGE_BYTES
from thanosql.rpc.closing import CLOSED
from thanosql.rpc.status import to_error
from thanosql.types import (
    ClipFailure,
    EstimateRequest,
    ExportedModel,
    ModelStatistics,
    TranscribeClip,
    TranscribeStart,
    Transcript,
    TranscriptionEstimate,
)
from thanosql.workspace import existing_file

SCHEME = "oip://"
"""What an address begins with where this protocol is spoken, and not our own."""

LARGEST_FILE = MAX_MESSAGE_BYTES - 64 * 1024
"""Bytes of a recording; a message holds a little more."""
METADATA_SECONDS = 600.0
"""Time-out of the first call, for which a server may have to load the model."""

REASONS = ("unreadable", "too short", "too long", "silent", "not finite")
"""With one of them begins what an exported model says of a recording; see `AudioError`."""


@dataclass(frozen=True, slots=True)
class _Recording:
    clip: int
    name: str
    audio: bytes
    seconds: float


class OpenInferenceClient:
    """Does for a query what `InferenceClient` does.

    Args:
        channel: To the server.
        address: For messages.
        workspace: Folder that the paths of clips are relative to. The server does not see it: files are read here.
    """

    def __init__(self, channel: grpc.Channel, address: str, workspace: Path) -> None:
        self._peer = f"the Open Inference server at {address.removeprefix(SCHEME)}"
        self._stub: Any = oip_grpc.GRPCInferenceServiceStub(channel)
        self._workspace = workspace

    def transcribe(self, start: TranscribeStart, clips: Iterable[TranscribeClip]) -> Iterator[Transcript | ClipFailure]:
        """Transcribes clips, many at once; the answers come as they are done, in any order, by id.

        Where the server has too much to do there are fewer calls at once, and what it refused is sent again. Closing
        the iterator cancels what is under way. A recording of more than `LARGEST_FILE` bytes, which would not fit into
        a message, is answered with a failure: "too long". How many rows a batch has is the server's affair:
        `start.batch_size` has no effect.

        Raises:
            UnknownModel: the server has no such model or version.
            NotSupported: the model there takes no recordings, or does not give what is wanted.
            Overloaded: the server refuses a recording again and again, for minutes.
            Unavailable: it cannot be reached.
        """
        if start.hotwords:
            raise NotSupported(
                "the Open Inference Protocol has no hotwords",
                hint="Leave hotwords out, or let query_service use thanosql's own inference_service.",
            )
        prepared = self._prepare(start)

        def call(recording: _Recording) -> grpc.Future[object]:
            future: grpc.Future[object] = self._stub.ModelInfer.future(with_audio(prepared, recording.audio))
            return future

        window = CallWindow(call)
        try:
            for clip in clips:
                opened = self._open(clip)
                if isinstance(opened, ClipFailure):
                    yield opened
                    continue
                window.send(opened, len(opened.audio))
                while window.has_answers or not window.has_room:
                    yield from self._take(window)
            while not window.is_empty:
                yield from self._take(window)
        finally:
            window.cancel()

    def ask_health(self, seconds: float) -> Callable[[], bool | None]:
        """Asks whether the server takes calls; what comes back waits for its answer: None where it gives none."""
        call = self._stub.ServerReady.future(oip.ServerReadyRequest(), timeout=seconds)

        def wait() -> bool | None:
            try:
                return bool(call.result().ready)
            except (grpc.RpcError, *CLOSED):
                return None

        return wait

    def get_statistics(self, model: str = "", version: int = 0) -> tuple[ModelStatistics, ...]:  # noqa: ARG002
        """None: how such a server computes is its own affair."""
        return ()

    def estimate(self, request: EstimateRequest) -> TranscriptionEstimate:  # noqa: ARG002
        """Nothing is known: the protocol does not ask how fast a server is."""
        return TranscriptionEstimate(reason=f"{self._peer} does not tell how fast it is")

    def export_model(self, model: str, version: int, path: str) -> ExportedModel:  # noqa: ARG002
        """Raises `NotSupported`: the protocol has no such call."""
        raise NotSupported(
            f"{self._peer} cannot export the model {model!r}",
            hint="Run the statement by a query_service whose setting `inference` names an inference_service.",
        )

    def _prepare(self, start: TranscribeStart) -> oip.ModelInferRequest:
        """A request that lacks nothing but the recording."""
        request = oip.ModelMetadataRequest(name=start.model, version=write_version(start))
        try:
            metadata = self._stub.ModelMetadata(request, timeout=METADATA_SECONDS)
        except grpc.RpcError as failure:
            raise self._explain(failure) from None
        except CLOSED:
            raise _stopped() from None
        return prepare_request(start, metadata, self._peer)

    def _open(self, clip: TranscribeClip) -> _Recording | ClipFailure:
        """The recording, read into memory; what can be found out about it here is not sent."""
        from thanosql.audio import read_header

        try:
            if clip.audio is not None:
                audio, size, name = clip.audio, len(clip.audio), ""
            else:
                name = clip.path or ""
                file = existing_file(self._workspace, name)
                size = file.stat().st_size
                audio = file.read_bytes() if size <= LARGEST_FILE else b""
            if size > LARGEST_FILE:
                raise AudioError(
                    f"{name or 'the recording'!r} has {size >> 20} MB, and a message to {self._peer} may have "
                    f"{LARGEST_FILE >> 20}",
                    reason="too long",
                    hint="Cut it into shorter ones, or compress it: flac, ogg or mp3.",
                )
            return _Recording(clip.id, name, audio, read_header(audio, name=name).seconds)
        except (AudioError, NotFound, PathRefused) as error:
            return _fail(clip.id, error)
        except OSError as error:
            return ClipFailure(clip.id, "unreadable", f"{name!r} cannot be read: {error.strerror or error}")

    def _take(self, window: CallWindow[_Recording]) -> Iterator[Transcript | ClipFailure]:
        """The next answer, if there is one."""
        ended = window.wait()
        if ended is None:
            return
        sending, call = ended
        try:
            response: Any = call.result()
        except CLOSED:
            raise _stopped() from None
        except grpc.RpcError as failure:
            error = self._explain(failure)
            if isinstance(error, Overloaded):
                window.refuse(sending, error)
                return
            if not isinstance(error, AudioError | InvalidRequest):
                raise error from None
            yield _fail(sending.request.clip, error, sending.request.name)
        else:
            window.succeed()
            yield read_transcript(response, sending.request.clip, sending.request.seconds, self._peer)

    def _explain(self, failure: grpc.RpcError) -> ThanoSQLError:
        """What a failed call means; another server than ours says it by the code alone."""
        error = to_error(failure, self._peer)
        if not error.by_transport:
            return error
        text, code = str(failure.details()), failure.code()
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in text:
            return AudioError(f"{self._peer} takes no message of this size: {text}", reason="too long")
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            reason, _, rest = text.partition(": ")
            return AudioError(rest, reason=reason) if reason in REASONS else AudioError(text, reason="refused")
        if code is grpc.StatusCode.NOT_FOUND:
            hint = "EXPORT MODEL writes the version that this statement needs; has the server loaded it?"
            return UnknownModel(f"{self._peer}: {text}", hint=hint)
        return error


def _stopped() -> Cancelled:
    return Cancelled("the statement was cancelled")


def _fail(clip: int, error: ThanoSQLError, name: str = "") -> ClipFailure:
    """The answer for a recording that cannot be used; a server does not know its name."""
    reasons = {NotFound: "missing", PathRefused: "path refused", InvalidRequest: "refused"}
    reason = error.reason if isinstance(error, AudioError) else reasons[type(error)]
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    return ClipFailure(clip, reason or "refused", f"{name!r}: {text}" if name else text)
