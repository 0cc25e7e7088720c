"""Whatever a caller sends, or fails to send or read, costs nobody but himself."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile

from thanosql.clients import InferenceClient
from thanosql.errors import DataError, InvalidOption, ThanoSQLError, UnknownModel
from thanosql.rpc.channel import MAX_MESSAGE_BYTES, open_channel
from thanosql.rpc.server import RunningServer
from thanosql.types import ClipFailure, TranscribeClip, TranscribeStart, Transcript
from thanosql.v1 import inference_pb2, inference_pb2_grpc

Start = Callable[..., tuple[RunningServer, InferenceClient]]
StartProcess = Callable[..., tuple[Any, InferenceClient]]

FOLDER = "tutorial_data/librispeech_data"
GOOD = f"{FOLDER}/000.flac"
TINY = TranscribeStart("tiny", 1)


def is_served(client: InferenceClient) -> bool:
    (answer,) = client.transcribe(TINY, [TranscribeClip(0, path=GOOD)])
    return isinstance(answer, Transcript)


def written(tmp_path: Path, samples: np.ndarray[Any, Any], suffix: str, **options: Any) -> bytes:
    soundfile.write(tmp_path / f"clip.{suffix}", samples, 16_000, **options)
    return (tmp_path / f"clip.{suffix}").read_bytes()


@pytest.fixture
def bad_recordings(tmp_path: Path, checkout: Path) -> dict[str, tuple[bytes, str]]:
    """Bytes that are no good recording, with the reason that is to be given."""
    speech, _ = soundfile.read(checkout / GOOD, dtype="float32")
    wav, flac, mp3 = (written(tmp_path, speech, suffix) for suffix in ("wav", "flac", "mp3"))
    with_nan = speech.copy()
    with_nan[len(speech) // 2] = np.nan
    # 36 bits of frames: 1,193 hours. They begin in the lower half of byte 21 of a flac file.
    endless_flac = bytearray(flac)
    endless_flac[21] |= 0x0F
    endless_flac[22:26] = b"\xff" * 4
    ds64 = bytearray(written(tmp_path, speech, "wav", format="RF64"))
    struct.pack_into("<QQQ", ds64, ds64.index(b"ds64") + 8, 10 * 2**30, 10 * 2**30, 5 * 2**30)
    return {
        "zero bytes": (b"", "unreadable"),
        "not audio": (b"SELECT 1", "unreadable"),
        "a number that is none": (written(tmp_path, with_nan, "wav", subtype="FLOAT"), "not finite"),
        "infinite": (written(tmp_path, np.full_like(speech, np.inf), "wav", subtype="FLOAT"), "not finite"),
        "no frames": (written(tmp_path, speech[:0], "wav"), "too short"),
        "a header alone": (wav[:44], "unreadable"),
        "a wav that breaks off": (wav[: len(wav) // 2], "unreadable"),
        "a flac that breaks off": (flac[: len(flac) // 2], "unreadable"),
        "an mp3 that breaks off": (mp3[: len(mp3) // 2], "unreadable"),
        "a flac that claims a thousand hours": (bytes(endless_flac), "too long"),
        "an rf64 that claims 10 GB": (bytes(ds64), "unreadable"),
    }


def test_bytes_that_are_no_recording_fail_alone(
    client: InferenceClient, bad_recordings: dict[str, tuple[bytes, str]], checkout: Path
) -> None:
    clips = [TranscribeClip(number, audio=audio) for number, (audio, _) in enumerate(bad_recordings.values())]
    good = TranscribeClip(len(clips), audio=(checkout / GOOD).read_bytes())
    answers = {answer.id: answer for answer in client.transcribe(TINY, [*clips, good])}
    assert isinstance(answers.pop(good.id), Transcript)
    found = {
        name: answers[number].reason if isinstance(answers[number], ClipFailure) else answers[number]
        for number, name in enumerate(bad_recordings)
    }
    assert found == {name: reason for name, (_, reason) in bad_recordings.items()}


@pytest.mark.parametrize("path", ["../outside.wav", "/etc/passwd", "https://example.org/a.wav", "\0", "a" * 5000])
def test_a_path_that_leads_elsewhere_is_a_failed_clip(path: str, client: InferenceClient) -> None:
    (answer,) = client.transcribe(TINY, [TranscribeClip(1, path=path)])
    assert isinstance(answer, ClipFailure)
    assert answer.reason in ("path refused", "missing")
    assert is_served(client)


@pytest.mark.parametrize(
    ("start", "kind", "says"),
    [
        (TranscribeStart("", 0), UnknownModel, "model"),
        (TranscribeStart("nobody", 1), UnknownModel, "nobody"),
        (TranscribeStart("tiny", 99), UnknownModel, "99"),
        (TranscribeStart("tiny", -1), UnknownModel, "-1"),
        (TranscribeStart("../tiny", 1), UnknownModel, "tiny"),
        (TranscribeStart("tiny\0", 1), UnknownModel, "tiny"),
        (TranscribeStart("x" * 100_000, 1), UnknownModel, "model"),
        (TranscribeStart("tiny", 1, batch_size=-1), InvalidOption, "batch_size"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(
    start: TranscribeStart, kind: type[ThanoSQLError], says: str, client: InferenceClient
) -> None:
    with pytest.raises(kind, match=says):
        list(client.transcribe(start, [TranscribeClip(0, path=GOOD)]))
    assert is_served(client)


def requests(*parts: str) -> Iterator[inference_pb2.TranscribeRequest]:
    known = {
        "start": inference_pb2.TranscribeRequest(start=inference_pb2.TranscribeStart(model="tiny", version=1)),
        "clip": inference_pb2.TranscribeRequest(clip=inference_pb2.TranscribeClip(id=2**64 - 1, path=GOOD)),
        "nothing": inference_pb2.TranscribeRequest(),
    }
    return (known[part] for part in parts)


@pytest.mark.parametrize(
    "parts", [(), ("nothing",), ("clip",), ("clip", "start"), ("start", "start"), ("start", "clip", "nothing")]
)
def test_messages_in_the_wrong_order_are_refused(parts: tuple[str, ...], start_service: Start) -> None:
    server, client = start_service()
    with grpc.insecure_channel(server.address) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            list(stub.Transcribe(requests(*parts)))
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "start" in raised.value.details()
    assert is_served(client)


def test_the_largest_id_comes_back_and_ids_may_repeat(start_service: Start) -> None:
    server, _ = start_service()
    with grpc.insecure_channel(server.address) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        answers = list(stub.Transcribe(requests("start", "clip", "clip")))
    assert [answer.transcript.id for answer in answers] == [2**64 - 1] * 2


def test_a_priority_of_a_newer_release_is_refused_by_name(start_service: Start) -> None:
    server, client = start_service()
    start, clip = requests("start", "clip")
    start.start.priority = 77  # type: ignore[assignment]
    with grpc.insecure_channel(server.address) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError, match="priority has the unknown number 77"):
            list(stub.Transcribe(iter([start, clip])))
    assert is_served(client)


def test_a_message_over_the_limit_is_refused_with_the_limit_in_words(start_service: Start) -> None:
    server, client = start_service()
    clip = TranscribeClip(0, audio=bytes(MAX_MESSAGE_BYTES + 1))
    with pytest.raises(DataError, match=r"64\.0 MiB is over the limit of 64 MiB\n.*1049 s of float32"):
        list(client.transcribe(TINY, [clip]))
    # And where the caller's own side would let it through.
    unlimited = [("grpc.max_send_message_length", -1)]
    with (
        grpc.insecure_channel(server.address, options=unlimited) as channel,
        pytest.raises(DataError, match="over the limit of 64 MiB"),
    ):
        list(InferenceClient(channel).transcribe(TINY, [clip]))
    assert is_served(client)


class Proxy:
    """A connection to the service that can be cut without a word."""

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._target = (host, int(port))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Ends both sides with a reset, as a process does that dies."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.create_connection(self._target)
            self._sockets += [inner, outer]
            for source, target in ((inner, outer), (outer, inner)):
                thread = threading.Thread(target=self._copy, args=(source, target))
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)


def test_a_caller_who_vanishes_takes_his_clips_with_him(start_service: Start) -> None:
    server, client = start_service(workers=1)
    proxy = Proxy(server.address)
    clips = (TranscribeClip(number, path=f"{FOLDER}/{number % 100:03d}.flac") for number in range(10**9))
    with grpc.insecure_channel(proxy.address) as channel:
        answers = InferenceClient(channel).transcribe(TINY, clips)
        next(answers)
        proxy.cut()
        with pytest.raises(ThanoSQLError):
            list(answers)
    while client.get_statistics()[0].waiting_seconds:  # ended by the test's time limit where it stays so
        pass
    assert is_served(client)
    (statistics,) = client.get_statistics()
    assert statistics.cancelled > 0


def test_a_caller_who_does_not_read_is_held_back_and_loses_nothing(start_service: Start) -> None:
    _, client = start_service()
    assert is_served(client)
    count, sent = 8_000, 0

    def clips() -> Iterator[TranscribeClip]:
        nonlocal sent
        for sent in range(1, count + 1):
            yield TranscribeClip(sent, path="nowhere.wav")

    answers = client.transcribe(TINY, clips())
    next(answers)
    while client.get_statistics()[0].failures < 500:
        pass
    assert all(is_served(client) for _ in range(5))
    # The buffers of the connection hold a few thousand short messages; what the service takes in is bounded beside.
    assert client.get_statistics()[0].failures < count - 1_000
    assert {answer.id for answer in answers} >= set(range(3, count + 1))
    assert sent == count


def test_thousands_of_idle_connections_leave_the_service_as_quick_as_it_was(start_process: StartProcess) -> None:
    import resource

    connections = 5_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} open files are needed, and the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    process, client = start_process()
    assert is_served(client)
    before = process.resident_bytes
    host, port = process.address.rsplit(":", 1)
    opened = []
    try:
        for _ in range(connections):
            one = socket.create_connection((host, int(port)), timeout=60)
            one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            opened.append(one)
        # Every one of them is answered by the server's settings: it is a connection, and not only in the backlog.
        assert all(one.recv(9)[3] == 4 for one in opened)
        assert is_served(client)
        with open_channel(process.address) as channel:
            assert is_served(InferenceClient(channel))
        each = (process.resident_bytes - before) / connections
        print(f"{each / 1024:.1f} KiB for each of {connections} connections")
        assert each < 200 * 1024
    finally:
        for one in opened:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_served(client)
