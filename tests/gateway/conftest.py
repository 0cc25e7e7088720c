"""A gateway in front of the session's services, and clients of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from thanosql import Session
from thanosql.gateway.__main__ import start
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.server import HttpServer

MODEL = "tutorial_audio_recognition"
FLAC = "tutorial_data/librispeech_data/000.flac"


@pytest.fixture(scope="session")
def running(session: Session, workspace: Path) -> dict[str, Any]:
    """Address and token of the session's query service."""
    note: dict[str, Any] = json.loads((workspace / ".thanosql" / "local.json").read_text("utf-8"))
    return note


@pytest.fixture(scope="session")
def token(running: dict[str, Any]) -> str:
    """The installation's secret."""
    return str(running["token"])


@pytest.fixture(scope="session")
def gateway(running: dict[str, Any]) -> Iterator[HttpServer]:
    """A gateway with the usual settings, and a page of metrics."""
    server = start(GatewayConfig(port=0, query=running["address"], metrics_port=0))
    yield server
    server.stop(1)


@pytest.fixture
def start_gateway(running: dict[str, Any]) -> Iterator[Callable[..., HttpServer]]:
    """Starts gateways with other settings."""
    with ExitStack() as started:

        def begin(**settings: Any) -> HttpServer:
            server = start(GatewayConfig(**{"port": 0, "query": running["address"], **settings}))
            started.callback(server.stop, 1)
            return server

        yield begin


@pytest.fixture(scope="session")
def http(gateway: HttpServer, token: str) -> Iterator[httpx.Client]:
    """A client with the right token."""
    with client_of(gateway, token) as client:
        yield client


@pytest.fixture(scope="session")
def recording(workspace: Path) -> bytes:
    """The bytes of a recording of three seconds."""
    return (workspace / FLAC).read_bytes()


def client_of(gateway: HttpServer, token: str = "", **options: Any) -> httpx.Client:
    """A client of a gateway."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"http://{gateway.address}", headers=headers, timeout=60, trust_env=False, **options)
