"""Stopping a server: calls within the grace are answered, the others told that the service is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from thanosql.clients import CatalogClient, InferenceClient
from thanosql.configuration import ServiceConfig
from thanosql.errors import Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import RunningServer, start_aio_server, start_server
from thanosql.types import Rows, TranscribeClip, TranscribeStart
from thanosql.v1 import catalog_pb2_grpc, inference_pb2_grpc, types_pb2


class Config(ServiceConfig):
    service = "catalog"


class Slow(catalog_pb2_grpc.CatalogServiceServicer):
    """Sends one batch of rows, and goes on as the test wants it."""

    def __init__(self, go_on: Callable[[Any], None]) -> None:
        self._go_on = go_on

    def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        yield types_pb2.Rows(ipc=b"1")
        self._go_on(context)
        if context.is_active():
            yield types_pb2.Rows(ipc=b"2")


class Waits(inference_pb2_grpc.InferenceServiceServicer):
    """Reads to the end of what is sent, and says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    async def Transcribe(self, requests: Any, context: Any) -> Any:  # noqa: N802
        async for _ in requests:
            self.begun.set()
        return
        yield


@contextmanager
def serving(go_on: Callable[[Any], None], *at_grace_end: Callable[[], None]) -> Iterator[tuple[RunningServer, Any]]:
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Slow(go_on))
    server = start_server(Config(), {"thanosql.v1.CatalogService": register}, at_grace_end=at_grace_end)
    with open_channel(server.address) as channel:
        yield server, CatalogClient(channel)
    server.stop(0)


def stopping(server: RunningServer, grace: float) -> threading.Thread:
    thread = threading.Thread(target=server.stop, args=(grace,))
    thread.start()
    return thread


def test_a_stream_within_the_grace_is_answered_to_its_end() -> None:
    go_on = threading.Event()
    with serving(lambda _: go_on.wait(30) and None) as (server, client):
        rows = client.query("")
        assert next(rows) == Rows(b"1")
        thread = stopping(server, 60.0)
        go_on.set()
        assert list(rows) == [Rows(b"2")]
        thread.join()


def test_a_stream_that_asks_whether_it_is_active_ends_as_unavailable() -> None:
    def poll(context: Any) -> None:
        while context.is_active():
            threading.Event().wait(0.01)

    with serving(poll) as (server, client):
        rows = client.query("")
        next(rows)
        thread = stopping(server, 0.05)
        with pytest.raises(Unavailable, match="catalog_service is stopping") as raised:
            list(rows)
        assert not raised.value.by_transport
        thread.join()


def test_a_stream_that_waits_for_something_is_woken_by_its_service() -> None:
    ended = threading.Event()

    def wait(_: Any) -> None:
        ended.wait(30)
        raise Unavailable("the tables are closed")

    with serving(wait, ended.set) as (server, client):
        rows = client.query("")
        next(rows)
        thread = stopping(server, 0.05)
        with pytest.raises(Unavailable, match="the tables are closed"):
            list(rows)
        thread.join()


def test_an_asyncio_server_ends_what_waits_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    servicer, end = Waits(), threading.Event()
    register = partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, servicer)
    server = start_aio_server(Config(), {"thanosql.v1.InferenceService": register})

    def clips() -> Iterator[TranscribeClip]:
        yield TranscribeClip(0)
        end.wait(30)

    with open_channel(server.address) as channel:
        answers = InferenceClient(channel).transcribe(TranscribeStart("m", 1), clips())
        found: list[Exception] = []

        def read() -> None:
            try:
                list(answers)
            except Unavailable as error:
                found.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        assert servicer.begun.wait(30)
        server.stop(0.2)
        reader.join()
        end.set()
    assert "catalog_service is stopping" in str(found[0])
    assert "1 calls were not done within 0.2 s" in caplog.text
