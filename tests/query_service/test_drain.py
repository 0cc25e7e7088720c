"""A query service that stops ends its streams with a word of its own, and what waits with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from query_service.__main__ import start
from query_service.config import QueryConfig
from thanosql.clients import QueryClient
from thanosql.configuration import ServiceConfig
from thanosql.errors import Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.rpc.logs import current_request_id
from thanosql.rpc.server import RunningServer, start_server
from thanosql.types import StatementStarted
from thanosql.v1 import catalog_pb2, catalog_pb2_grpc


class Config(ServiceConfig):
    service = "catalog"


class SlowCatalog(catalog_pb2_grpc.CatalogServiceServicer):
    """Has no snapshot until it is let go; knows for which request it was asked."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()
        self.requests: list[str] = []

    def GetSnapshot(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(current_request_id())
        self.asked.set()
        self.let_go.wait(60)
        return catalog_pb2.Snapshot(sql_dialect="duckdb")


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[SlowCatalog, RunningServer, QueryClient]]:
    slow = SlowCatalog()
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, slow)
    catalog = start_server(Config(), {"thanosql.v1.CatalogService": register})
    query = start(QueryConfig(port=0, catalog=catalog.address, **settings))
    with open_channel(query.address) as channel:
        yield slow, query, QueryClient(channel, query.address)
    slow.let_go.set()
    query.stop(0)
    catalog.stop(5)


def test_a_statement_that_outlasts_the_grace_is_told_to_be_run_again() -> None:
    with serving(grace=0.1) as (slow, query, client):
        events = client.execute("LIST TABLES")
        assert isinstance(next(events).event, StatementStarted)
        assert slow.asked.wait(30)
        stopper = threading.Thread(target=query.stop)
        stopper.start()
        with pytest.raises(Unavailable, match=r"query_service is stopping\nRun the statement again") as raised:
            next(events)
        assert not raised.value.by_transport
        stopper.join()


def test_a_statement_within_the_grace_is_carried_out() -> None:
    with serving(grace=60.0) as (slow, query, client):
        events = client.execute("LIST TABLES")
        next(events)
        assert slow.asked.wait(30)
        stopper = threading.Thread(target=query.stop)
        stopper.start()
        slow.let_go.set()
        assert [type(event.event).__name__ for event in events] == ["Rows", "StatementDone"]
        stopper.join()


def test_the_other_services_are_called_under_the_id_of_the_query() -> None:
    with serving() as (slow, _, client):
        slow.let_go.set()
        list(client.execute("LIST TABLES", "statement-7"))
        started, *_ = (event.event for event in client.execute("LIST TABLES"))
    assert isinstance(started, StatementStarted)
    assert slow.requests == ["statement-7", started.query_id]
