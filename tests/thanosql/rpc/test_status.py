"""Every error reaches the caller as it was raised."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from thanosql import errors
from thanosql.clients import CatalogClient, InferenceClient
from thanosql.configuration import ServiceConfig
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import RunningServer, start_aio_server, start_server
from thanosql.rpc.status import CODES, to_error, to_status
from thanosql.types import TranscribeStart
from thanosql.v1 import catalog_pb2, catalog_pb2_grpc, inference_pb2_grpc, types_pb2

KINDS = [
    each
    for each in vars(errors).values()
    if inspect.isclass(each) and issubclass(each, errors.ThanoSQLError) and each is not errors.ThanoSQLError
]


class Config(ServiceConfig):
    service = "catalog"


class Refuses(catalog_pb2_grpc.CatalogServiceServicer):
    """Raises what it was given, from unary calls and from within streams."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def GetSnapshot(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise self._error

    def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        yield catalog_pb2.Snapshot.FromString(b"")  # an empty Rows has the same bytes
        raise self._error


class RefusesAsynchronously(inference_pb2_grpc.InferenceServiceServicer):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def GetStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise self._error

    async def Transcribe(self, requests: Any, context: Any) -> Any:  # noqa: N802
        async for _ in requests:
            raise self._error
            yield


def serve(error: Exception, token: str = "") -> RunningServer:
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Refuses(error))
    return start_server(Config(token=token), {"thanosql.v1.CatalogService": register})


def serve_asynchronously(error: Exception, token: str = "") -> RunningServer:
    register = partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, RefusesAsynchronously(error))
    return start_aio_server(Config(token=token), {"thanosql.v1.InferenceService": register})


def call_any(channel: grpc.Channel) -> None:
    """Calls a method of whichever of the two services is there."""
    try:
        CatalogClient(channel).get_snapshot()
    except errors.NotSupported:
        InferenceClient(channel).get_statistics()


def unary(server: RunningServer, token: str = "") -> errors.ThanoSQLError:
    with open_channel(server.address, token) as channel, pytest.raises(errors.ThanoSQLError) as raised:
        CatalogClient(channel).get_snapshot()
    return raised.value


def test_every_error_has_a_status_code() -> None:
    assert set(CODES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_every_error_can_become_a_status(kind: type[errors.ThanoSQLError]) -> None:
    error = kind("message", reason="missing") if kind is errors.AudioError else kind("message")  # type: ignore[call-arg]
    assert to_status(error).code is CODES[kind]


def test_an_error_arrives_with_its_kind_place_and_hint() -> None:
    sent = errors.UnknownTable("no table 'x'", hint="Did you mean y?", line=2, column=3, excerpt="é x", retry_after=1.5)
    server = serve(sent)
    got = unary(server)
    server.stop(0)
    assert type(got) is errors.UnknownTable
    assert (str(got), got.retry_after) == (str(sent), 1.5)


def test_a_recording_that_cannot_be_used_arrives_with_its_reason() -> None:
    server = serve(errors.AudioError("'a.wav' is silent", reason="silent"))
    got = unary(server)
    server.stop(0)
    assert isinstance(got, errors.AudioError)
    assert (got.message, got.reason) == ("'a.wav' is silent", "silent")


@pytest.fixture(params=["threads", "asyncio"])
def overloaded(request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A channel to a service that is overloaded for another 1.25 s."""
    error = errors.Overloaded("too much waits", reason="queue full", hint="Come again.", retry_after=1.25)
    server = serve(error) if request.param == "threads" else serve_asynchronously(error)
    with open_channel(server.address) as channel:
        yield channel
    server.stop(0)


def fail(channel: grpc.Channel) -> Any:
    """How gRPC reports the failure of a call to whichever of the two services is there."""
    for method in ("CatalogService/GetSnapshot", "InferenceService/GetStatistics"):
        try:
            channel.unary_unary(f"/thanosql.v1.{method}")(b"", timeout=10)
        except grpc.RpcError as failure:
            if failure.code() is not grpc.StatusCode.UNIMPLEMENTED:  # type: ignore[attr-defined]
                return failure
    raise AssertionError("no call failed")


def test_an_overloaded_service_says_when_to_come_again_and_why(overloaded: grpc.Channel) -> None:
    with pytest.raises(errors.Overloaded) as caught:
        call_any(overloaded)
    assert (caught.value.retry_after, caught.value.reason, caught.value.hint) == (1.25, "queue full", "Come again.")


def test_when_to_come_again_is_said_as_other_clients_look_for_it(overloaded: grpc.Channel) -> None:
    failure = fail(overloaded)
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    (retry,) = (each for each in rpc_status.from_call(failure).details if each.Is(RetryInfo.DESCRIPTOR))
    assert RetryInfo.FromString(retry.value).retry_delay.ToMilliseconds() == 1250
    assert dict(failure.trailing_metadata())["grpc-retry-pushback-ms"] == "1250"


def test_an_error_that_says_nothing_of_another_attempt_sends_no_pushback() -> None:
    server = serve(errors.Overloaded("too much waits"))
    with open_channel(server.address) as channel:
        failure = fail(channel)
    server.stop(0)
    assert "grpc-retry-pushback-ms" not in dict(failure.trailing_metadata())


class OverloadedBefore(catalog_pb2_grpc.CatalogServiceServicer):
    """Refuses the first call, and answers the next one."""

    def __init__(self, retry_after: float | None) -> None:
        self._retry_after = retry_after
        self.calls = 0

    def GetSnapshot(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        if self.calls == 1:
            raise errors.Overloaded("too much waits", retry_after=self._retry_after)
        return catalog_pb2.Snapshot()


def test_a_grpc_client_whose_policy_names_the_status_obeys_the_pushback() -> None:
    servicer = OverloadedBefore(retry_after=0.01)
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, servicer)
    server = start_server(Config(), {"thanosql.v1.CatalogService": register})
    policy = {
        "maxAttempts": 2,
        # By itself it would wait for longer than the call may take.
        "initialBackoff": "1000s",
        "maxBackoff": "1000s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
    }
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    with grpc.insecure_channel(server.address, options=[("grpc.service_config", config)]) as channel:
        catalog_pb2_grpc.CatalogServiceStub(channel).GetSnapshot(catalog_pb2.GetSnapshotRequest(), timeout=30)
    server.stop(0)
    assert servicer.calls == 2


def test_our_own_client_leaves_it_to_its_caller_when_to_come_again() -> None:
    servicer = OverloadedBefore(retry_after=0.01)
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, servicer)
    server = start_server(Config(), {"thanosql.v1.CatalogService": register})
    with open_channel(server.address) as channel, pytest.raises(errors.Overloaded):
        CatalogClient(channel).get_snapshot()
    server.stop(0)
    assert servicer.calls == 1


@pytest.mark.parametrize(
    ("trailing", "expected"),
    [
        ((("grpc-retry-pushback-ms", "700"),), 0.7),
        ((("grpc-retry-pushback-ms", "-1"),), None),
        ((("grpc-retry-pushback-ms", "soon"),), None),
        ((), None),
    ],
)
def test_the_pushback_of_another_server_is_understood(
    trailing: tuple[tuple[str, str], ...], expected: float | None
) -> None:
    def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata(trailing)
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        raise AssertionError("abort raises")

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.Peer", {"Call": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/a.Peer/Call")(b"", timeout=10)
    server.stop(0)
    error = to_error(caught.value, "peer")
    assert isinstance(error, errors.Overloaded)
    assert error.retry_after == expected


def test_an_error_from_within_a_stream_arrives_after_what_was_sent() -> None:
    server = serve(errors.DataError("row 7 is broken"))
    with open_channel(server.address) as channel:
        rows = CatalogClient(channel).query("SELECT 1")
        next(rows)
        with pytest.raises(errors.DataError, match="row 7 is broken"):
            next(rows)
    server.stop(0)


def test_an_unexpected_error_reaches_the_caller_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    server = serve(ZeroDivisionError("secret"))
    got = unary(server)
    server.stop(0)
    assert type(got) is errors.InternalError
    assert "secret" not in str(got)
    assert got.request_id in caplog.text


def test_an_asyncio_server_translates_errors_too() -> None:
    server = serve_asynchronously(errors.UnknownModel("no model 'm'", hint="Did you mean n?"))
    with open_channel(server.address) as channel:
        client = InferenceClient(channel)
        with pytest.raises(errors.UnknownModel, match="Did you mean n"):
            client.get_statistics()
        with pytest.raises(errors.UnknownModel, match="Did you mean n"):
            list(client.transcribe(TranscribeStart("m", 1), ()))
    server.stop(0)


@pytest.mark.parametrize("start", [serve, serve_asynchronously])
@pytest.mark.parametrize(("token", "sent"), [("right", "wrong"), ("right", "")])
def test_a_call_without_the_right_token_is_refused(start: Any, token: str, sent: str) -> None:
    server = start(errors.DataError("let in"), token)
    with open_channel(server.address, sent) as channel, pytest.raises(errors.Unauthenticated):
        call_any(channel)
    server.stop(0)


@pytest.mark.parametrize("start", [serve, serve_asynchronously])
def test_the_right_token_is_let_in(start: Any) -> None:
    server = start(errors.DataError("let in"), "right")
    with open_channel(server.address, "right") as channel, pytest.raises(errors.DataError, match="let in"):
        call_any(channel)
    server.stop(0)


def test_a_service_that_is_not_there_is_unavailable_by_name() -> None:
    with open_channel("127.0.0.1:1") as channel, pytest.raises(errors.Unavailable, match="catalog_service at nowhere"):
        CatalogClient(channel, "nowhere").get_snapshot()


@pytest.mark.parametrize("start", [serve, serve_asynchronously])
def test_health_answers_without_a_token(start: Any) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    server = start(errors.DataError("x"), "secret")
    with grpc.insecure_channel(server.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    server.stop(0)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("start", [serve, serve_asynchronously])
def test_reflection_lists_the_service(start: Any) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    server = start(errors.DataError("x"), "secret")
    with grpc.insecure_channel(server.address) as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
        names = {each.name for each in next(iter(answers)).list_services_response.service}
    server.stop(0)
    assert any(name.startswith("thanosql.v1.") for name in names)


@pytest.mark.parametrize("start", [serve, serve_asynchronously])
def test_two_servers_never_share_a_port(start: Any) -> None:
    server = start(errors.DataError("x"))

    class Taken(Config):
        pass

    with pytest.raises(errors.Unavailable, match="cannot listen"):
        start_server(Taken(port=server.port), {})
    server.stop(0)


def test_a_stream_ends_when_its_server_goes_away_before_the_first_message() -> None:
    class Silent(catalog_pb2_grpc.CatalogServiceServicer):
        def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
            begun.set()
            release.wait(20)
            yield from ()

    begun, release = threading.Event(), threading.Event()
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Silent())
    server = start_server(Config(), {"thanosql.v1.CatalogService": register})
    with open_channel(server.address) as channel, ThreadPoolExecutor(1) as pool:
        rows = pool.submit(list, CatalogClient(channel).query("SELECT 1"))
        assert begun.wait(10)
        stopping = threading.Thread(target=server.stop, args=(0,))
        stopping.start()
        with pytest.raises((errors.Unavailable, errors.Cancelled)):
            rows.result(timeout=15)
        release.set()
        stopping.join()


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🙂"])
@pytest.mark.parametrize("start", [serve, serve_asynchronously])
def test_an_error_as_long_as_a_book_still_arrives_as_an_error(start: Any, letter: str) -> None:
    server = start(errors.StatementError(letter * 100_000, hint=letter * 100_000, excerpt=letter * 100_000))
    with open_channel(server.address) as channel, pytest.raises(errors.StatementError) as raised:
        call_any(channel)
    server.stop(0)
    assert raised.value.message.startswith(letter * 400)
    assert raised.value.message.endswith("…")


def test_a_call_that_a_stopping_server_drops_without_a_word_finds_it_unavailable() -> None:
    class Drops(catalog_pb2_grpc.CatalogServiceServicer):
        def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
            context.set_code(grpc.StatusCode.CANCELLED)
            yield from ()

    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Drops())
    server = start_server(Config(), {"thanosql.v1.CatalogService": register})
    with open_channel(server.address) as channel, pytest.raises(errors.Unavailable) as raised:
        list(CatalogClient(channel).query("SELECT 1"))
    server.stop(0)
    assert raised.value.by_transport


def test_a_call_that_the_caller_himself_ends_is_cancelled() -> None:
    class Waits(catalog_pb2_grpc.CatalogServiceServicer):
        def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
            yield types_pb2.Rows()
            ended.wait(30)

    ended = threading.Event()
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Waits())
    server = start_server(Config(), {"thanosql.v1.CatalogService": register})
    with open_channel(server.address) as channel:
        rows = CatalogClient(channel).query("SELECT 1")
        next(rows)
        channel.close()
        with pytest.raises(errors.Cancelled):
            list(rows)
    ended.set()
    server.stop(0)
