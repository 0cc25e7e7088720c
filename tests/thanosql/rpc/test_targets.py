"""Addresses that stand for several servers, and how calls are spread over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from thanosql.configuration import ServiceConfig
from thanosql.errors import Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.rpc.health import HealthStates
from thanosql.rpc.server import RunningServer, start_aio_server
from thanosql.rpc.targets import find_servers, grpc_target, is_several


class Config(ServiceConfig):
    service = "catalog"


@pytest.mark.parametrize(
    ("address", "several", "servers"),
    [
        ("127.0.0.1:1", False, ("127.0.0.1:1",)),
        ("inference:8473", False, ("inference:8473",)),
        ("10.0.0.1:1,10.0.0.2:1", True, ("10.0.0.1:1", "10.0.0.2:1")),
        ("one:1, two:2,", True, ("one:1", "two:2")),
        ("dns:///127.0.0.1:5", True, ("127.0.0.1:5",)),
    ],
)
def test_an_address_names_servers(address, several, servers):
    assert is_several(address) == several
    assert find_servers(address) == servers


def test_a_machine_with_addresses_of_two_families_is_one_server():
    assert len(find_servers("dns:///localhost:5")) == 1


def test_a_name_that_dns_does_not_know_is_said():
    with pytest.raises(Unavailable, match=r"no server is known by the name 'nobody\.invalid:1'"):
        find_servers("dns:///nobody.invalid:1")


def test_a_list_is_made_of_numbers_for_grpc():
    assert grpc_target("127.0.0.1:1,127.0.0.2:2") == "ipv4:127.0.0.1:1,127.0.0.2:2"
    assert grpc_target("[::1]:1,[::1]:2") == "ipv6:[::1]:1,[::1]:2"
    assert grpc_target("127.0.0.1:1,nobody.invalid:2") == "ipv4:127.0.0.1:1"
    with pytest.raises(Unavailable, match=r"nobody\.invalid"):
        grpc_target("nobody.invalid:1,nobody.invalid:2")


Two = list[tuple[RunningServer, HealthStates]]


@pytest.fixture
def two() -> Iterator[Two]:
    """Two servers, of which only the first knows the name "first"."""
    states = [HealthStates(), HealthStates()]
    states[0].set("first", True)
    servers = [start_aio_server(Config(grace=0.0), {}, health=each) for each in states]
    yield list(zip(servers, states, strict=True))
    for server in servers:
        server.stop(0)


@pytest.fixture
def find_answerer(two: Two) -> Iterator[Callable[[], str]]:
    """Makes a call to both of them by one channel; tells which has answered."""
    with open_channel(",".join(server.address for server, _ in two)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        def find() -> str:
            try:
                stub.Check(health_pb2.HealthCheckRequest(service="first"), timeout=30)
            except grpc.RpcError as failure:
                assert failure.code() is grpc.StatusCode.NOT_FOUND, failure  # noqa: PT017
                return "second"
            return "first"

        yield find


def wait_until(find_answerer: Callable[[], str], wanted: set[str]) -> None:
    deadline = time.monotonic() + 60
    while {find_answerer() for _ in range(8)} != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_calls_take_turns(two, find_answerer):
    wait_until(find_answerer, {"first", "second"})
    answers = [find_answerer() for _ in range(10)]
    assert answers.count("first") == answers.count("second") == 5


def test_a_server_that_does_not_serve_is_sent_no_calls_until_it_does(two, find_answerer):
    wait_until(find_answerer, {"first", "second"})
    two[1][1].set("", False)
    wait_until(find_answerer, {"first"})
    two[1][1].set("", True)
    wait_until(find_answerer, {"first", "second"})


def test_a_server_that_stops_is_left_out(two, find_answerer):
    wait_until(find_answerer, {"first", "second"})
    two[0][0].stop(0)
    wait_until(find_answerer, {"second"})
