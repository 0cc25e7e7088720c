"""Which calls are tried again by themselves."""

from __future__ import annotations

import pytest

from thanosql.rpc.channel import NOT_RETRIED
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
