"""Which calls are tried again by themselves, and what becomes of calls on a channel that was closed."""

from __future__ import annotations

import pytest

from thanosql.clients import CatalogClient, InferenceClient, QueryClient
from thanosql.rpc.channel import NOT_RETRIED, open_channel
from thanosql.rpc.health_call import ask_health
from thanosql.types import TranscribeStart
from thanosql.v1 import catalog_pb2, inference_pb2, query_pb2, trainer_pb2

METHODS = {
    (service.name, method.name): method.client_streaming or method.server_streaming
    for stubs in (catalog_pb2, inference_pb2, query_pb2, trainer_pb2)
    for service in stubs.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@pytest.mark.parametrize("method", [method for method, is_stream in METHODS.items() if is_stream], ids=".".join)
def test_a_stream_is_not_tried_again_by_itself(method):
    assert method in NOT_RETRIED


@pytest.mark.parametrize("method", NOT_RETRIED, ids=".".join)
def test_what_is_not_tried_again_exists(method):
    assert method in METHODS


def test_calls_on_a_closed_channel_are_errors_and_not_the_end_of_the_process() -> None:
    channel = open_channel("127.0.0.1:1")
    catalog, query, inference = CatalogClient(channel), QueryClient(channel), InferenceClient(channel)
    channel.close()
    calls = (
        catalog.get_snapshot,
        lambda: list(query.execute("SELECT 1")),
        lambda: list(inference.transcribe(TranscribeStart("m", 1), ())),
        lambda: catalog.change_table("DELETE FROM t", {}),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"(?i)closed"):
            call()


def test_a_server_whose_channel_was_closed_gives_no_answer_on_its_health() -> None:
    channel = open_channel("127.0.0.1:1")
    channel.close()
    assert ask_health(channel, 1.0)() is None
