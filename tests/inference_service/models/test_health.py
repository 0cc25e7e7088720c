"""Health checks know the models by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from inference_service.models.health import ModelHealth
from thanosql.clients import InferenceClient
from thanosql.errors import DataError
from thanosql.rpc.health import NOT_SERVING, SERVING, UNKNOWN, HealthStates
from thanosql.rpc.server import RunningServer
from thanosql.types import ServingState, TranscribeClip, TranscribeStart

Start = Callable[..., tuple[RunningServer, InferenceClient]]

READY, IDLE, BROKEN = ServingState.READY, ServingState.IDLE, ServingState.BROKEN


@pytest.mark.parametrize(
    ("changes", "model", "first", "second"),
    [
        ([(1, READY)], SERVING, SERVING, None),
        ([(1, READY), (2, BROKEN)], SERVING, SERVING, NOT_SERVING),
        ([(1, READY), (2, READY), (1, IDLE)], SERVING, NOT_SERVING, SERVING),
        ([(1, READY), (1, IDLE)], NOT_SERVING, NOT_SERVING, None),
        ([(1, BROKEN)], NOT_SERVING, NOT_SERVING, None),
        ([(1, BROKEN), (1, READY)], SERVING, SERVING, None),
    ],
)
def test_a_model_serves_while_any_of_its_versions_does(
    changes: list[tuple[int, ServingState]], model: int, first: int | None, second: int | None
) -> None:
    states = HealthStates()
    health = ModelHealth(states)
    for version, state in changes:
        health.change("m", version, state)
    assert [states.get(name) for name in ("models/m", "models/m/1", "models/m/2")] == [model, first, second]
    assert states.get("models/other") is None


def watch(stub: health_pb2_grpc.HealthStub, name: str) -> Iterator[int]:
    return (each.status for each in stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=100))


def test_health_follows_loads_evictions_and_broken_files(own_store: Path, start_service: Start) -> None:
    (own_store / "grouped" / "1" / "model.onnx").write_bytes(b"damaged")
    server, client = start_service(state=own_store.parent)
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        tiny, grouped = watch(stub, "models/tiny"), watch(stub, "models/grouped/1")
        assert next(tiny) == next(grouped) == UNKNOWN
        assert list(client.transcribe(TranscribeStart("tiny", 1), [TranscribeClip(0)]))
        assert next(tiny) == SERVING
        with pytest.raises(DataError):
            list(client.transcribe(TranscribeStart("grouped", 1), [TranscribeClip(0)]))
        assert next(grouped) == NOT_SERVING
        server.stop()
        assert list(tiny) == [NOT_SERVING]
