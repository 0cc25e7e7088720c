"""A stream on which nothing happens for minutes is still there afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from thanosql.clients import InferenceClient
from thanosql.rpc.server import RunningServer
from thanosql.v1 import inference_pb2, inference_pb2_grpc

Start = Callable[..., tuple[RunningServer, InferenceClient]]

QUIET_SECONDS = 250
"""As long as it takes gRPC to lose patience: a client asks twice after 21 s, then once a minute, and with gRPC's own
settings the server ends the connection at the fifth question in five minutes."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_client_may_ask_for_a_quiet_stream_again_and_again(start_service: Start) -> None:
    server, _ = start_service()

    def requests() -> Iterator[inference_pb2.TranscribeRequest]:
        yield inference_pb2.TranscribeRequest(start=inference_pb2.TranscribeStart(model="tiny", version=1))
        threading.Event().wait(QUIET_SECONDS)
        clip = inference_pb2.TranscribeClip(id=7, path="tutorial_data/librispeech_data/000.flac")
        yield inference_pb2.TranscribeRequest(clip=clip)

    asks = (("grpc.keepalive_time_ms", 21_000), ("grpc.keepalive_timeout_ms", 20_000))
    with grpc.insecure_channel(server.address, options=asks) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        answers = list(stub.Transcribe(requests()))
    assert [answer.transcript.id for answer in answers] == [7]
