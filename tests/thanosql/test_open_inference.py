"""The client of other Open Inference servers, against a server that does as a test tells it to."""

# ruff: noqa: N802 (methods are named by gRPC)
from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile

from thanosql import open_inference
from thanosql.errors import AudioError, Cancelled, InternalError, NotSupported, Overloaded, Unavailable, UnknownModel
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip import grpc_service_pb2_grpc as oip_grpc
from thanosql.open_inference import OpenInferenceClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.status import to_status
from thanosql.types import ClipFailure, Priority, TranscribeClip, TranscribeStart, Transcript, Word

START = TranscribeStart("m", 3)
WORDS = [{"word": "heard", "start": 0.5, "end": 1.25, "confidence": 0.75}]
Tensor = oip.ModelMetadataResponse.TensorMetadata


class Server(oip_grpc.GRPCInferenceServiceServicer):
    """Hears in each recording how many bytes it has."""

    def __init__(self) -> None:
        self.inputs = [Tensor(name="audio", datatype="BYTES", shape=[1])]
        self.outputs = [
            Tensor(name=name, datatype="FP32" if name == "confidence" else "BYTES", shape=[1])
            for name in ("transcript", "confidence", "words")
        ]
        self.requests: list[oip.ModelInferRequest] = []
        self.refuses: Callable[[int, grpc.ServicerContext], None] = lambda *_: None
        """Called with the number of the request; may end it."""
        self.is_typed = False
        self.text: bytes | None = None
        self.arrived = threading.Event()
        self.cancelled = threading.Event()

    def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.name != "m":
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model: {request.name!r}")
        return oip.ModelMetadataResponse(name="m", inputs=self.inputs, outputs=self.outputs)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        context.add_callback(lambda: context.is_active() or self.cancelled.set())
        self.arrived.set()
        self.refuses(len(self.requests) - 1, context)
        (raw,) = request.raw_input_contents
        text = b"%d bytes" % len(raw[4:]) if self.text is None else self.text
        values: dict[str, Any] = {"transcript": text, "confidence": 0.75, "words": json.dumps(WORDS).encode()}
        response = oip.ModelInferResponse()
        for output in request.outputs:
            value = values[output.name]
            is_bytes = isinstance(value, bytes)
            added = response.outputs.add(name=output.name, datatype="BYTES" if is_bytes else "FP32", shape=[1])
            if self.is_typed:
                (added.contents.bytes_contents if is_bytes else added.contents.fp32_contents).append(value)
            else:
                element = struct.pack("<I", len(value)) + value if is_bytes else struct.pack("<f", value)
                response.raw_output_contents.append(element)
        return response


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    running = grpc.server(ThreadPoolExecutor(8))
    oip_grpc.add_GRPCInferenceServiceServicer_to_server(server, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"127.0.0.1:{port}"
    running.stop(0).wait()


@pytest.fixture
def client(address: str, tmp_path: Path) -> Iterator[OpenInferenceClient]:
    with open_channel(address) as channel:
        yield OpenInferenceClient(channel, f"oip://{address}", tmp_path)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Recordings of one, two, three seconds."""
    for number in (1, 2, 3):
        tone = np.sin(np.arange(number * 8_000) / 5).astype(np.float32)
        soundfile.write(tmp_path / f"{number}.wav", tone, 8_000)
    return [f"{number}.wav" for number in (1, 2, 3)]


def clips(paths: list[str]) -> list[TranscribeClip]:
    return [TranscribeClip(number, path=path) for number, path in enumerate(paths)]


def answers(client: OpenInferenceClient, paths: list[str], start: TranscribeStart = START) -> list[Any]:
    return sorted(client.transcribe(start, clips(paths)), key=lambda answer: answer.id)


def abort_once(error: Exception, number: int = 0) -> Callable[[int, grpc.ServicerContext], None]:
    """Ends one request as our own servers do."""
    return lambda at, context: context.abort_with_status(to_status(error)) if at == number else None  # type: ignore[arg-type]


def test_recordings_are_sent_as_the_bytes_of_their_files_and_answered_by_id(server, client, paths, tmp_path):
    expected = [f"{(tmp_path / path).stat().st_size} bytes" for path in paths]
    got = answers(client, paths)
    assert [(each.text, each.audio_seconds, each.confidence) for each in got] == [
        (text, seconds, 0.75) for text, seconds in zip(expected, (1.0, 2.0, 3.0), strict=True)
    ]
    assert {(each.model_name, each.model_version) for each in server.requests} == {("m", "3")}


@pytest.mark.parametrize("shape", [[1], [-1, 1]], ids=["one recording a request", "a batch a request"])
def test_the_input_has_as_many_dimensions_as_the_model_says(server, client, paths, shape):
    server.inputs = [Tensor(name="audio", datatype="BYTES", shape=shape)]
    answers(client, paths[:1])
    assert list(server.requests[0].inputs[0].shape) == [1] * len(shape)


@pytest.mark.parametrize("is_typed", [False, True])
def test_words_come_where_they_are_wanted(server, client, paths, is_typed):
    server.is_typed = is_typed
    (transcript,) = answers(client, paths[:1], TranscribeStart("m", 0, words=True, priority=Priority.INTERACTIVE))
    assert transcript.words == (Word("heard", 0.5, 1.25, 0.75),)
    assert server.requests[0].model_version == "", "version 0 is the newest"
    assert server.requests[0].parameters["priority"].uint64_param == 1
    (transcript,) = answers(client, paths[:1])
    assert transcript.words == ()
    assert server.requests[1].parameters["priority"].uint64_param == 2


def test_a_model_without_confidence_is_not_asked_for_it(server, client, paths):
    server.outputs = server.outputs[:1]
    assert [each.confidence for each in answers(client, paths)] == [0.0, 0.0, 0.0]
    with pytest.raises(NotSupported, match="gives no 'words'"):
        answers(client, paths, TranscribeStart("m", 3, words=True))


def test_a_model_that_takes_no_recordings_is_refused_before_anything_is_sent(server, client, paths):
    server.inputs = [Tensor(name="image", datatype="UINT8", shape=[3, -1, -1])]
    with pytest.raises(NotSupported, match="takes no recordings"):
        answers(client, paths)
    assert server.requests == []


def test_an_unknown_model_says_what_to_do(client, paths):
    with pytest.raises(UnknownModel, match="unknown model: 'other'") as raised:
        answers(client, paths, TranscribeStart("other", 1))
    assert "EXPORT MODEL" in raised.value.hint


def test_what_can_be_found_out_here_is_not_sent(server, client, paths, tmp_path, monkeypatch):
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    (tmp_path / "large.wav").write_bytes(b"x" * 300_000)
    monkeypatch.setattr(open_inference, "LARGEST_FILE", 200_000)
    got = answers(client, ["none.wav", "broken.wav", "large.wav", "../out.wav", paths[0]])
    assert [each.reason for each in got[:4]] == ["missing", "unreadable", "too long", "path refused"]
    assert isinstance(got[4], Transcript)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("silent: the audio that was sent is silent", "silent", "'1.wav': the audio that was sent is silent"),
        ("I do not like it: at all", "refused", "'1.wav': I do not like it: at all"),
    ],
    ids=["as an exported model says it", "as any server says it"],
)
def test_a_recording_that_the_server_refuses_fails_alone(server, client, paths, text, reason, message):
    server.refuses = lambda at, context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, text) if at == 0 else None
    failure, transcript = sorted(client.transcribe(START, clips(paths[:1] + paths[:1])), key=lambda x: type(x).__name__)
    assert isinstance(transcript, Transcript)
    assert (failure.reason, failure.message) == (reason, message)


def test_a_recording_that_our_own_server_refuses_keeps_its_reason(server, client, paths):
    server.refuses = abort_once(AudioError("the audio is cut off", reason="unreadable", hint="Copy it again."))
    (failure,) = answers(client, paths[:1])
    assert failure == ClipFailure(0, "unreadable", "'1.wav': the audio is cut off. Copy it again.")


def test_what_is_refused_for_the_moment_is_sent_again(server, client, paths):
    server.refuses = abort_once(Overloaded("too much to do", retry_after=0.01))
    assert [each.id for each in answers(client, paths)] == [0, 1, 2]
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("code", "kind"),
    [(grpc.StatusCode.INTERNAL, InternalError), (grpc.StatusCode.NOT_FOUND, UnknownModel)],
    ids=["internal", "not found"],
)
def test_any_other_failure_ends_the_stream(server, client, paths, code, kind):
    server.refuses = lambda _, context: context.abort(code, "no")
    with pytest.raises(kind, match="no"):
        answers(client, paths)


def test_an_answer_that_is_no_transcript_is_an_error_of_the_server(server, client, paths):
    server.text = b"\xff\xfe"
    with pytest.raises(InternalError, match="something else than a transcript"):
        answers(client, paths)


def test_a_server_that_is_not_there_is_unavailable(tmp_path, paths):
    with open_channel("127.0.0.1:1") as channel, pytest.raises(Unavailable):
        answers(OpenInferenceClient(channel, "oip://127.0.0.1:1", tmp_path), paths)


def test_closing_the_iterator_cancels_what_is_under_way(server, client, paths):
    release = threading.Event()
    server.refuses = lambda at, _: release.wait(30) if at else None
    stream = client.transcribe(START, clips(paths))
    next(stream)
    server.arrived.wait(30)
    stream.close()
    assert server.cancelled.wait(30)
    release.set()


def test_a_channel_that_was_closed_before_is_a_cancellation(paths, tmp_path, address):
    channel = open_channel(address)
    other = OpenInferenceClient(channel, address, tmp_path)
    channel.close()
    with pytest.raises(Cancelled):
        answers(other, paths)


def test_closing_the_channel_ends_the_stream_as_cancelled(server, paths, tmp_path, address):
    release = threading.Event()
    server.refuses = lambda *_: release.wait(30)
    failures: list[BaseException] = []
    channel = open_channel(address)
    other = OpenInferenceClient(channel, address, tmp_path)

    def consume() -> None:
        try:
            answers(other, paths)
        except BaseException as error:
            failures.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    server.arrived.wait(30)
    channel.close()
    consumer.join(30)
    release.set()
    assert [type(error) for error in failures] == [Cancelled]
