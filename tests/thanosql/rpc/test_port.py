"""Where a server listens, and what it takes there."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from thanosql.clients import CatalogClient
from thanosql.configuration import ServiceConfig
from thanosql.errors import DataError, Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import start_server
from thanosql.v1 import catalog_pb2_grpc


class Config(ServiceConfig):
    service = "catalog"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_a_server_without_a_token_does_not_listen_where_others_reach_it(host: str) -> None:
    with pytest.raises(Unavailable, match="ask nobody for a token") as caught:
        start_server(Config(host=host), {})
    assert "THANOSQL_TOKEN" in caught.value.hint


@pytest.mark.parametrize("settings", [{"token": "secret"}, {"insecure": True}])
def test_it_does_with_a_token_or_where_that_is_wanted(settings: dict[str, Any]) -> None:
    start_server(Config(host="0.0.0.0", **settings), {}).stop(0)


def test_a_message_over_the_limit_is_refused_with_the_numbers() -> None:
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, catalog_pb2_grpc.CatalogServiceServicer())
    server = start_server(Config(), {"thanosql.v1.CatalogService": register}, largest_message=1 << 20)
    with (
        open_channel(server.address) as channel,
        pytest.raises(DataError, match=r"2\.0 MiB is over the limit of 1 MiB"),
    ):
        list(CatalogClient(channel).query("x" * (2 << 20)))
    server.stop(0)
