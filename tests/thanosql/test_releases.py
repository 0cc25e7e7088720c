"""A program and a server of different releases: what both know works, and the rest is told plainly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

import thanosql
from tests.thanosql.conftest import PlayedConfig, as_message, as_rows
from thanosql.errors import NotFound, NotSupported
from thanosql.rpc.server import start_server
from thanosql.types import StatementDone, StatementStarted
from thanosql.v1 import query_pb2

SELECT = (StatementStarted("q", 0, "SELECT", "SELECT 1"), as_rows(one=[1]), StatementDone(0, 1, 0.5))
NEW_FIELD = b"\xfa\x3f\x03new"
"""Field 1023 of a message, as a release to come may have it: three letters."""


def newer_events() -> Iterator[bytes]:
    """The events of a statement, between them two of a kind that is not known yet; and fields that are not either."""
    started, rows, done = (as_message(0, each).SerializeToString() for each in SELECT)
    for number, content in enumerate((started, NEW_FIELD, NEW_FIELD, rows, done)):
        yield query_pb2.Event(number=number).SerializeToString() + content + NEW_FIELD


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a query service that has the given methods, that by which a client sees what it is, and no others."""
    servers = []

    def cancel(request: bytes, context: Any) -> bytes:
        raise NotFound("there is no such query")

    def start(**methods: grpc.RpcMethodHandler) -> str:
        def register(server: grpc.Server) -> None:
            known = {"Cancel": grpc.unary_unary_rpc_method_handler(cancel), **methods}
            handlers = grpc.method_handlers_generic_handler("thanosql.v1.QueryService", known)
            server.add_generic_rpc_handlers((handlers,))

        servers.append(start_server(PlayedConfig(), {"thanosql.v1.QueryService": register}))
        return servers[-1].address

    yield start
    for server in servers:
        server.stop(0)


def test_what_a_newer_server_tells_beside_the_rows_is_left_out_and_told_once(serve: Callable[..., str]) -> None:
    def execute(request: bytes, context: Any) -> Iterator[bytes]:
        return newer_events()

    with thanosql.connect(serve(Execute=grpc.unary_stream_rpc_method_handler(execute))) as session:
        result = session.sql("SELECT 1", progress=False)
    assert [tuple(row) for row in result] == [(1,)]
    (notice,) = result.notices
    assert "newer release" in notice.text
    assert "pip install --upgrade thanosql-speech" in notice.text


def test_a_call_that_an_older_server_does_not_know_says_so_and_what_to_do(serve: Callable[..., str]) -> None:
    with thanosql.connect(serve()) as session:
        with pytest.raises(NotSupported, match="older release than this program") as caught:
            session.tokens.list()
        assert "Bring the server up to this program's release" in caught.value.hint
