"""Threads work for the workspace of whoever started them, also those that gRPC starts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from thanosql.clients import CatalogClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.identity import WORKSPACE_KEY, current_identity, working_for
from trainer_service.jobs.lease import renewing_lease


class _Echo(grpc.GenericRpcHandler):
    """Answers each call with the workspaces that it names."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        named = [str(value) for key, value in details.invocation_metadata or () if key == WORKSPACE_KEY]
        self.named.append(named)
        self.called.set()
        return grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)

    def __init__(self) -> None:
        self.named: list[list[str]] = []
        self.called = threading.Event()


def test_the_requests_of_a_stream_are_made_and_the_call_is_sent_for_the_callers_workspace() -> None:
    echo, seen = _Echo(), []
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((echo,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def requests() -> Iterator[bytes]:
        seen.append((current_identity().workspace, threading.current_thread() is threading.main_thread()))
        yield b""

    with open_channel(f"127.0.0.1:{port}") as channel:
        stream = channel.stream_stream("/any/Stream")
        with working_for("research"):
            assert list(stream(requests())) == [b""]
        assert list(stream(requests())) == [b""]
    server.stop(None)
    assert seen == [("research", False), ("default", False)]
    assert echo.named == [["research"], []]


def test_a_lease_is_renewed_for_the_workspace_of_its_job() -> None:
    echo = _Echo()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((echo,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with open_channel(f"127.0.0.1:{port}") as channel, working_for("research"):
        client = CatalogClient(channel, "the catalog")
        with renewing_lease(client, "job", "trainer", 0.03, lambda: None):
            assert echo.called.wait(30)
    server.stop(None)
    assert echo.named[0] == ["research"]
