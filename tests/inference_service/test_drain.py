"""SIGTERM: what was taken in is answered within the grace, the rest is told that the service is away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from thanosql.clients import InferenceClient
from thanosql.errors import Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.rpc.health import NOT_SERVING, SERVING
from thanosql.types import TranscribeClip, TranscribeStart, Transcript

FOLDER = "tutorial_data/librispeech_data"
TINY = TranscribeStart("tiny", 1)


def clips(count: int) -> Iterator[TranscribeClip]:
    return (TranscribeClip(number, path=f"{FOLDER}/{number % 100:03d}.flac") for number in range(count))


def answered(client: InferenceClient) -> bool:
    try:
        (answer,) = client.transcribe(TINY, clips(1))
    except Unavailable:
        return False
    return isinstance(answer, Transcript)


Start = Callable[..., tuple[Any, InferenceClient]]


def test_no_clip_that_was_taken_in_is_lost_within_the_grace(start_process: Start) -> None:
    process, client = start_process(grace=100.0)
    with open_channel(process.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=100)
        assert next(watch).status == SERVING
        answers = client.transcribe(TINY, clips(40))
        first = next(answers)
        process.terminate()
        assert next(watch).status == NOT_SERVING
        rest = list(answers)
    assert all(isinstance(answer, Transcript) for answer in (first, *rest))
    assert sorted(answer.id for answer in (first, *rest)) == list(range(40))
    assert process.end() == 0
    assert "stopped" in process.lines[-1]
    assert not [line for line in process.lines if "WARNING" in line]


def test_a_new_call_finds_a_service_that_drains_unavailable(start_process: Start) -> None:
    process, client = start_process(grace=100.0)
    go_on = threading.Event()

    def slowly() -> Iterator[TranscribeClip]:
        yield from clips(1)
        go_on.wait(100)

    answers = client.transcribe(TINY, slowly())
    next(answers)
    process.terminate()
    with open_channel(process.address) as channel:
        other = InferenceClient(channel)
        # What comes in before the server has heard of the signal is answered.
        while answered(other):
            pass
    go_on.set()
    assert list(answers) == []
    assert process.end() == 0


def test_what_outlasts_the_grace_is_told_so_and_the_process_ends(start_process: Start) -> None:
    process, client = start_process(grace=0.2)
    answers = client.transcribe(TINY, clips(10**9))
    next(answers)
    process.terminate()
    with pytest.raises(Unavailable, match="inference_service is stopping") as raised:
        list(answers)
    assert not raised.value.by_transport
    assert process.end() == 0
    assert "1 calls were not done within 0.2 s" in process.wait_for("WARNING")


def test_a_second_signal_ends_the_process_at_once(start_process: Start) -> None:
    process, client = start_process(grace=3600.0)
    answers = client.transcribe(TINY, clips(10**9))
    next(answers)
    process.terminate()
    process.wait_for("stopping")
    process.terminate()
    assert process.end() == -signal.SIGTERM
    with pytest.raises(Unavailable):
        list(answers)
