"""A query service that plays back what a test wants to happen, over real gRPC."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import pyarrow as pa
import pytest

from thanosql.clients import QUERY_EVENTS
from thanosql.configuration import ServiceConfig
from thanosql.convert import to_message
from thanosql.errors import Cancelled, NotFound, ThanoSQLError
from thanosql.rpc.caller import read_caller
from thanosql.rpc.server import RunningServer, start_server
from thanosql.types import Rows, StatementDone, StatementStarted
from thanosql.v1 import query_pb2, query_pb2_grpc


class BreakConnection:
    """A step: the stream ends as when the connection breaks; the query goes on."""


class UntilCancelled:
    """A step: the statement works until it is cancelled."""


class PlayedConfig(ServiceConfig):
    service = "query"


@dataclass
class Player(query_pb2_grpc.QueryServiceServicer):
    """Plays the steps of `script` for every text; a step is an event's value, an error, or one of the classes above."""

    script: Sequence[Any] = ()
    executed: list[str] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    attached: list[int] = field(default_factory=list)
    cancelled: dict[str, threading.Event] = field(default_factory=dict)
    outage: Callable[[], bool] = lambda: False

    def Execute(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self.executed.append(request.text)
        self.callers.append(read_caller(context.invocation_metadata(), context.peer()))
        self.cancelled[request.query_id] = threading.Event()
        yield from self._play(context, request.query_id, 0, breaks=True)

    def Attach(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self.attached.append(request.next_event)
        if self.outage():
            lose(context)
            return
        if request.query_id not in self.cancelled:
            raise NotFound("no such query")
        yield from self._play(context, request.query_id, request.next_event, breaks=False)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        known = request.query_id in self.cancelled
        if known:
            self.cancelled[request.query_id].set()
        return query_pb2.CancelResponse(cancelled=known)

    def _play(self, context: Any, query_id: str, first: int, *, breaks: bool) -> Iterator[Any]:
        number = 0
        for step in self.script:
            if isinstance(step, ThanoSQLError):
                raise step
            if step is BreakConnection:
                if breaks:
                    lose(context)
                    return
            elif step is UntilCancelled:
                if self.cancelled[query_id].wait(30):
                    raise Cancelled("the statement was cancelled")
            else:
                if number >= first:
                    yield as_message(number, step)
                number += 1


def lose(context: Any) -> None:
    """Ends the call as the transport does, with a status that has no details of ours."""
    context.set_code(grpc.StatusCode.UNAVAILABLE)
    context.set_details("Socket closed")


def as_message(number: int, value: Any) -> Any:
    (name,) = (name for name, kind in QUERY_EVENTS.items() if isinstance(value, kind))
    descriptor = query_pb2.Event.DESCRIPTOR.fields_by_name[name].message_type
    return query_pb2.Event(number=number, **{name: to_message(value, descriptor._concrete_class)})


def as_rows(**columns: Any) -> Rows:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Rows(sink.getvalue().to_pybytes())


def one_statement(*values: Any, kind: str = "SELECT", message: str = "", rows: int = 0, index: int = 0) -> list[Any]:
    return [
        StatementStarted("", index, kind, f"{kind} …"),
        *values,
        StatementDone(index, rows=rows, seconds=1.5, message=message),
    ]


@dataclass
class Peer:
    """A running player, with what a test needs to write scripts."""

    player: Player
    server: RunningServer
    rows: Any = staticmethod(as_rows)
    statement: Any = staticmethod(one_statement)
    breaks: type = BreakConnection
    until_cancelled: type = UntilCancelled

    @property
    def address(self) -> str:
        return self.server.address

    def plays(self, *script: Any) -> None:
        self.player.script = script


@pytest.fixture
def start_peer() -> Iterator[Callable[..., Peer]]:
    """Starts a player; `token` is what it asks for."""
    servers: list[RunningServer] = []

    def start(token: str = "") -> Peer:
        player = Player()
        register = partial(query_pb2_grpc.add_QueryServiceServicer_to_server, player)
        server = start_server(PlayedConfig(token=token), {"thanosql.v1.QueryService": register})
        servers.append(server)
        return Peer(player, server)

    yield start
    for server in servers:
        server.stop(0)


@pytest.fixture
def peer(start_peer: Callable[..., Peer]) -> Peer:
    """A player without a token."""
    return start_peer()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests must not lead them to a server."""
    for name in ("ADDRESS", "API_TOKEN", "TOKEN", "WORKSPACE", "STATE", "CA"):
        monkeypatch.delenv(f"THANOSQL_{name}", raising=False)
