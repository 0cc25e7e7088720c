"""One id finds a request in the log of every service."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest

from thanosql.clients import CatalogClient, InferenceClient
from thanosql.configuration import ServiceConfig
from thanosql.errors import DataError, InternalError, InvalidOption, Unauthenticated
from thanosql.rpc.channel import open_channel
from thanosql.rpc.logs import (
    METADATA_KEY,
    JsonFormatter,
    RequestFilter,
    configure_logging,
    current_request_id,
    read_request_id,
    set_request_id,
)
from thanosql.rpc.server import RunningServer, start_aio_server, start_server
from thanosql.types import TranscribeStart
from thanosql.v1 import catalog_pb2, catalog_pb2_grpc, inference_pb2, inference_pb2_grpc, types_pb2


class Config(ServiceConfig):
    service = "catalog"


class Tells(catalog_pb2_grpc.CatalogServiceServicer):
    """Answers with the id of the request."""

    def GetSnapshot(self, request: Any, context: Any) -> Any:  # noqa: N802
        return catalog_pb2.Snapshot(sql_dialect=current_request_id())

    def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        if request.sql == "fail":
            raise ZeroDivisionError("secret")
        yield types_pb2.Rows(ipc=current_request_id().encode())


class TellsAsynchronously(inference_pb2_grpc.InferenceServiceServicer):
    async def GetStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        return inference_pb2.Statistics(models=[inference_pb2.ModelStatistics(model=current_request_id())])

    async def Transcribe(self, requests: Any, context: Any) -> Any:  # noqa: N802
        async for _ in requests:
            raise DataError("no")
            yield


@contextmanager
def threaded(token: str = "") -> Iterator[RunningServer]:
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Tells())
    server = start_server(Config(token=token), {"thanosql.v1.CatalogService": register})
    yield server
    server.stop(0)


@contextmanager
def asynchronous() -> Iterator[RunningServer]:
    register = partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, TellsAsynchronously())
    server = start_aio_server(Config(), {"thanosql.v1.InferenceService": register})
    yield server
    server.stop(0)


@pytest.fixture(autouse=True)
def _no_request() -> Iterator[None]:
    set_request_id("")
    yield
    set_request_id("")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if hasattr(record, "fields")]


def test_a_call_goes_under_the_id_of_the_request_that_it_is_made_for() -> None:
    with threaded() as server, open_channel(server.address) as channel:
        client = CatalogClient(channel)
        set_request_id("statement-1")
        assert client.get_snapshot().sql_dialect == "statement-1"
        assert [rows.ipc for rows in client.query("")] == [b"statement-1"]
    with asynchronous() as server, open_channel(server.address) as channel:
        assert InferenceClient(channel).get_statistics()[0].model == "statement-1"


def test_a_call_without_an_id_is_given_one_of_its_own() -> None:
    with threaded() as server, open_channel(server.address) as channel:
        client = CatalogClient(channel)
        ids = {client.get_snapshot().sql_dialect for _ in range(3)}
    assert len(ids) == 3
    assert all(len(each) == 12 for each in ids)


@pytest.mark.parametrize("sent", ["two\nlines", "", "x" * 101, "{}", "ünï"])
def test_an_id_that_would_spoil_the_log_is_replaced(sent: str) -> None:
    assert read_request_id([(METADATA_KEY, sent)]) != sent
    set_request_id(sent)
    assert current_request_id() != sent or not sent


@pytest.mark.parametrize("start", [threaded, asynchronous])
def test_the_id_is_sent_back_with_answers_and_with_failures(start: Any) -> None:
    with start() as server, grpc.insecure_channel(server.address) as channel:
        name = "CatalogService/GetSnapshot" if start is threaded else "InferenceService/GetStatistics"
        good = channel.unary_unary(f"/thanosql.v1.{name}")
        _, call = good.with_call(b"", metadata=((METADATA_KEY, "mine"),))
        assert dict(call.trailing_metadata())[METADATA_KEY] == "mine"
        if start is threaded:
            bad = channel.unary_stream("/thanosql.v1.CatalogService/Query")(
                catalog_pb2.QueryRequest(sql="fail").SerializeToString(), metadata=((METADATA_KEY, "mine"),)
            )
        else:
            bad = channel.stream_stream("/thanosql.v1.InferenceService/Transcribe")(
                iter([b""]), metadata=((METADATA_KEY, "mine"),)
            )
        with pytest.raises(grpc.RpcError):
            list(bad)
        assert dict(bad.trailing_metadata())[METADATA_KEY] == "mine"


def test_an_internal_error_names_the_request(caplog: pytest.LogCaptureFixture) -> None:
    with threaded() as server, open_channel(server.address) as channel:
        set_request_id("statement-2")
        with pytest.raises(InternalError) as raised:
            list(CatalogClient(channel).query("fail"))
    assert raised.value.request_id == "statement-2"
    (record,) = (each for each in caplog.records if each.exc_info)
    assert "statement-2" in record.getMessage()


def test_every_call_leaves_one_line_without_what_it_carried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "thanosql")
    with threaded(token="the-token") as server:
        with open_channel(server.address, "the-token") as channel:
            client = CatalogClient(channel)
            client.get_snapshot()
            list(client.query("SELECT secret"))
            with pytest.raises(InternalError):
                list(client.query("fail"))
        with open_channel(server.address, "wrong-token") as channel, pytest.raises(Unauthenticated):
            CatalogClient(channel).get_snapshot()
    found = [(each["method"].rpartition("/")[2], each["status"]) for each in lines(caplog)]
    # Services of other tests may be running in this process, whose trainer asks for work now and then.
    assert sorted(each for each in found if each[0] != "ClaimJob") == [
        ("GetSnapshot", "OK"),
        ("GetSnapshot", "UNAUTHENTICATED"),
        ("Query", "INTERNAL"),
        ("Query", "OK"),
    ]
    assert "secret" not in "".join(record.getMessage() for record in caplog.records)
    assert "-token" not in caplog.text


def test_short_calls_that_went_well_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thanosql")
    with threaded() as server, open_channel(server.address) as channel:
        CatalogClient(channel).get_snapshot()
        list(CatalogClient(channel).query(""))
    assert [each["method"].rpartition("/")[2] for each in lines(caplog)] == ["Query"]


def test_an_asyncio_server_logs_its_calls_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "thanosql")
    with asynchronous() as server, open_channel(server.address) as channel:
        client = InferenceClient(channel)
        client.get_statistics()
        with pytest.raises(DataError):
            list(client.transcribe(TranscribeStart("m", 1), ()))
    # Services of other tests may run in this process.
    own = [each for each in lines(caplog) if "InferenceService" in each["method"]]
    found = [(each["method"].rpartition("/")[2], each["status"]) for each in own]
    assert found == [("GetStatistics", "OK"), ("Transcribe", "FAILED_PRECONDITION")]


def test_a_line_of_json_says_everything_that_a_reader_of_logs_looks_for() -> None:
    record = logging.LogRecord("thanosql.rpc", logging.INFO, "file.py", 1, "%s\nof\n%d", ("two", 3), None)
    record.fields = {"method": "/a/B", "seconds": 0.5}
    set_request_id("r1")
    RequestFilter().filter(record)
    text = JsonFormatter("catalog").format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert line["time"].endswith("Z")
    del line["time"]
    assert line == {
        "level": "INFO",
        "service": "catalog",
        "logger": "thanosql.rpc",
        "request_id": "r1",
        "message": "two\nof\n3",
        "method": "/a/B",
        "seconds": 0.5,
    }


@pytest.mark.parametrize("settings", [{"log_format": "yaml"}, {"log_level": "LOUD"}])
def test_a_format_or_level_that_does_not_exist_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(InvalidOption, match="Choose"):
        configure_logging(Config(**settings))


def test_a_process_logs_json_where_it_is_asked_for() -> None:
    program = (
        "import logging; from thanosql.configuration import ServiceConfig;"
        "from thanosql.rpc.logs import configure_logging, set_request_id\n"
        "class Config(ServiceConfig): service = 'catalog'\n"
        "configure_logging(Config(log_format='json')); set_request_id('r2')\n"
        "try: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('any').exception('failed')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (line,) = (json.loads(each) for each in run.stderr.splitlines())
    assert (line["request_id"], line["service"], line["message"]) == ("r2", "catalog", "failed")
    assert "ZeroDivisionError" in line["exception"]
