"""`thanosql health`: what the health checks of containers are told."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc

from thanosql import ThanoSQLError
from thanosql.commands.health import check_health
from thanosql.errors import Unavailable
from thanosql.rpc.health import HealthStates, ThreadedHealth

Start = Callable[..., str]


@pytest.fixture
def states() -> HealthStates:
    states = HealthStates()
    states.set("", True)
    return states


@pytest.fixture
def start(states: HealthStates) -> Iterator[Start]:
    """Serves the states; the address."""
    running: list[tuple[grpc.Server, ThreadedHealth]] = []

    def start(credentials: grpc.ServerCredentials | None = None) -> str:
        server, health = grpc.server(ThreadPoolExecutor(2)), ThreadedHealth(states)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        where = "127.0.0.1:0"
        port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
        server.start()
        running.append((server, health))
        return f"127.0.0.1:{port}"

    yield start
    for server, health in running:
        server.stop(None).wait()
        health.close()


def make_certificate(folder: Path, name: str) -> tuple[bytes, bytes]:
    """A certificate for `name` and its key, signed by an authority that nobody knows."""

    def run(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    run(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=An authority",
    )
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tls.key", "-out", "tls.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n", "utf-8")
    run("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "names", "-out", "tls.crt")  # fmt: skip
    return (folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes()


def test_a_service_that_serves_is_well(start: Start) -> None:
    check_health(start())


def test_a_service_that_ends_is_not(start: Start, states: HealthStates) -> None:
    address = start()
    states.end()
    with pytest.raises(Unavailable, match="NOT_SERVING"):
        check_health(address)


def test_a_name_that_nobody_knows_is_told_of(start: Start) -> None:
    with pytest.raises(Unavailable, match=r"NOT_FOUND.*thanosql\.v1\.Nothing"):
        check_health(start(), of="thanosql.v1.Nothing")


def test_nothing_answers_where_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="no health from"):
            check_health(f"127.0.0.1:{probe.getsockname()[1]}", timeout=2)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ThanoSQLError, match="not an address"):
        check_health("somewhere")


@pytest.mark.parametrize("name", ["speech.example.org", "*.example.org"])
def test_a_port_with_tls_is_asked_whatever_name_its_certificate_has(start: Start, tmp_path: Path, name: str) -> None:
    certificate, key = make_certificate(tmp_path, name)
    check_health(start(grpc.ssl_server_credentials([(key, certificate)])), tls=True)


def test_a_port_without_tls_has_no_certificate_to_show(start: Start) -> None:
    with pytest.raises(Unavailable, match="no TLS at"):
        check_health(start(), tls=True, timeout=2)
