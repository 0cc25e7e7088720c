"""Health checks are answered from states that the service may set at any time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from thanosql.configuration import ServiceConfig
from thanosql.rpc.health import NOT_SERVING, SERVING, UNKNOWN, HealthStates
from thanosql.rpc.server import RunningServer, start_aio_server, start_server


class Config(ServiceConfig):
    service = "catalog"


@pytest.fixture
def states() -> HealthStates:
    return HealthStates()


@pytest.fixture(params=[start_server, start_aio_server], ids=["threaded", "asyncio"])
def server(request: Any, states: HealthStates) -> Iterator[RunningServer]:
    server = request.param(Config(grace=60.0), {"a.Service": lambda server: None}, health=states)
    yield server
    server.stop(0)


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


def check(stub: Any, name: str) -> int:
    return int(stub.Check(health_pb2.HealthCheckRequest(service=name)).status)


def watch(stub: Any, name: str) -> Iterator[int]:
    return (answer.status for answer in stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=30))


@pytest.mark.parametrize("name", ["", "a.Service"])
def test_a_server_that_has_started_serves(stub: Any, name: str) -> None:
    assert check(stub, name) == SERVING


def test_what_has_no_name_here_is_not_found(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        check(stub, "models/nobody")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_state_can_be_set_while_the_server_runs(stub: Any, states: HealthStates) -> None:
    states.set("models/m", True)
    assert check(stub, "models/m") == SERVING
    states.set("models/m", False)
    assert check(stub, "models/m") == NOT_SERVING


def test_a_watcher_sees_every_change_and_no_other_name(stub: Any, states: HealthStates) -> None:
    seen = watch(stub, "models/m")
    assert next(seen) == UNKNOWN
    states.set("models/other", True)
    states.set("models/m", True)
    states.set("models/m", True)
    states.set("models/m", False)
    states.forget("models/m")
    assert [next(seen) for _ in range(3)] == [SERVING, NOT_SERVING, UNKNOWN]


def test_a_watcher_that_leaves_takes_no_other_with_him(stub: Any, states: HealthStates) -> None:
    first = stub.Watch(health_pb2.HealthCheckRequest(service="m"))
    second = watch(stub, "m")
    assert next(first).status == next(second) == UNKNOWN
    first.cancel()
    states.set("m", True)
    assert next(second) == SERVING
    states.set("m", False)
    assert next(second) == NOT_SERVING


def test_watches_end_with_the_server_and_do_not_hold_it_up(stub: Any, server: RunningServer) -> None:
    seen = watch(stub, "")
    assert next(seen) == SERVING
    server.stop()  # the grace is a minute
    assert list(seen) == [NOT_SERVING]


def test_nothing_is_served_any_more_once_the_end_has_begun(states: HealthStates) -> None:
    states.set("a", True)
    states.end()
    states.set("a", True)
    states.set("b", True)
    assert states.get("a") == states.get("b") == NOT_SERVING
