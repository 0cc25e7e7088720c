"""Calls become spans of one trace, where a collector is configured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from thanosql.clients import CatalogClient, InferenceClient
from thanosql.configuration import ServiceConfig
from thanosql.errors import DataError, InternalError
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import start_aio_server, start_server
from thanosql.rpc.spans import continue_trace, current_trace, current_traceparent, span
from thanosql.rpc.telemetry import Tracing, find_tracing, hold_tracing
from thanosql.types import TranscribeStart
from thanosql.v1 import catalog_pb2, catalog_pb2_grpc, inference_pb2, inference_pb2_grpc, types_pb2

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


class Config(ServiceConfig):
    service = "catalog"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: list[str] = []
        self.endpoint = ""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
                self.services.extend(names["service.name"] for _ in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def find(self, name: str, kind: int) -> Span:
        (span,) = (each for each in self.spans if each.name.endswith(name) and each.kind == kind)
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(5).wait()


class Catalog(catalog_pb2_grpc.CatalogServiceServicer):
    """Asks the other service whatever it is asked; fails where it is told to."""

    other: InferenceClient

    def GetSnapshot(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.other.get_statistics()
        return catalog_pb2.Snapshot()

    def Query(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        yield types_pb2.Rows()
        if request.sql == "fault":
            raise ZeroDivisionError
        if request.sql == "mistake":
            raise DataError("no")
        yield types_pb2.Rows()


class Inference(inference_pb2_grpc.InferenceServiceServicer):
    async def GetStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        return inference_pb2.Statistics()

    async def Transcribe(self, requests: Any, context: Any) -> Any:  # noqa: N802
        async for _ in requests:
            raise DataError("no")
            yield


@pytest.fixture
def client(collector: Collector) -> Iterator[CatalogClient]:
    """Of two services that send their spans when the test calls `client.stop()`; itself, it sends none."""
    settings = {"otlp_endpoint": collector.endpoint}
    config = Config(**settings)
    register = partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, Inference())
    other = start_aio_server(config, {"thanosql.v1.InferenceService": register})
    servicer = Catalog()
    register = partial(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, servicer)
    server = start_server(config, {"thanosql.v1.CatalogService": register})
    between = open_channel(other.address, tracing=find_tracing(config))
    servicer.other = InferenceClient(between)

    def stop() -> None:
        server.stop(5)
        other.stop(5)

    with open_channel(server.address) as channel:
        client = CatalogClient(channel)
        client.stop = stop  # type: ignore[attr-defined]
        client.inference = servicer.other  # type: ignore[attr-defined]
        client.tracing = find_tracing(config)  # type: ignore[attr-defined]
        yield client
    stop()
    between.close()


def test_a_call_and_the_calls_that_it_makes_are_one_trace(client: Any, collector: Collector) -> None:
    client.get_snapshot()
    client.stop()
    outer = collector.find("CatalogService/GetSnapshot", SERVER)
    call, inner = (collector.find("InferenceService/GetStatistics", kind) for kind in (CLIENT, SERVER))
    assert outer.trace_id == call.trace_id == inner.trace_id
    assert (outer.parent_span_id, call.parent_span_id, inner.parent_span_id) == (b"", outer.span_id, call.span_id)
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano <= inner.end_time_unix_nano
    attributes = {each.key: each.value for each in outer.attributes}
    assert attributes["rpc.service"].string_value == "thanosql.v1.CatalogService"
    assert attributes["rpc.method"].string_value == "GetSnapshot"
    assert attributes["rpc.grpc.status_code"].int_value == 0
    assert set(collector.services) == {"catalog_service"}


def test_two_calls_are_two_traces(client: Any, collector: Collector) -> None:
    list(client.query(""))
    list(client.query(""))
    client.stop()
    one, other = collector.spans
    assert one.trace_id != other.trace_id
    assert not one.parent_span_id
    assert not other.parent_span_id


@pytest.mark.parametrize(("sql", "kind", "failed"), [("fault", InternalError, True), ("mistake", DataError, False)])
def test_a_fault_of_ours_fails_the_span_and_a_mistake_of_the_callers_does_not(
    sql: str, kind: type[Exception], failed: bool, client: Any, collector: Collector
) -> None:
    with pytest.raises(kind):
        list(client.query(sql))
    client.stop()
    (span,) = collector.spans
    assert (span.status.code == span.status.STATUS_CODE_ERROR) is failed
    (code,) = (each.value.int_value for each in span.attributes if each.key == "rpc.grpc.status_code")
    assert code == (grpc.StatusCode.INTERNAL if failed else grpc.StatusCode.FAILED_PRECONDITION).value[0]


def test_a_stream_that_its_caller_leaves_is_a_span_too(client: Any, collector: Collector) -> None:
    rows = client.query("")
    next(rows)
    rows.close()
    with continue_trace(client.tracing, ""), span("work"), pytest.raises(DataError):
        list(client.inference.transcribe(TranscribeStart("m", 1), ()))
    client.stop()
    assert len(collector.spans) == 4
    assert collector.find("Transcribe", CLIENT).trace_id == collector.find("Transcribe", SERVER).trace_id


def test_a_call_that_is_made_for_nobodys_request_is_in_no_trace(client: Any, collector: Collector) -> None:
    client.inference.get_statistics()
    client.stop()
    assert collector.spans == []


def test_work_inside_work_is_a_tree_and_of_an_error_its_kind_is_told(client: Any, collector: Collector) -> None:
    def work() -> None:
        with span("outer", {"size": 2}) as outer:
            outer.set("rows", 3)
            with span("inner"):
                client.inference.get_statistics()
            raise ZeroDivisionError("what a user wrote")

    with pytest.raises(ZeroDivisionError), continue_trace(client.tracing, ""):
        work()
    client.stop()
    spans = {each.name: each for each in collector.spans if each.kind == Span.SPAN_KIND_INTERNAL}
    call = collector.find("GetStatistics", CLIENT)
    assert (spans["inner"].parent_span_id, call.parent_span_id) == (spans["outer"].span_id, spans["inner"].span_id)
    assert not spans["outer"].parent_span_id
    told = {each.key: each.value for each in spans["outer"].attributes}
    assert (told["size"].int_value, told["rows"].int_value) == (2, 3)
    assert told["error.type"].string_value == "ZeroDivisionError"
    assert spans["outer"].status.code == Span().status.STATUS_CODE_ERROR
    assert b"what a user wrote" not in b"".join(each.SerializeToString() for each in collector.spans)


def test_work_that_goes_on_minutes_later_belongs_to_the_trace_that_it_began_in(collector: Collector) -> None:
    config = Config(otlp_endpoint=collector.endpoint)
    let_go = hold_tracing(config)
    tracing = find_tracing(config)
    with continue_trace(tracing, ""), span("submit"):
        traceparent = current_traceparent()
    assert current_traceparent() == ""
    with continue_trace(tracing, traceparent), span("job"):
        assert current_trace()[0] in traceparent
    let_go()
    submit, job = collector.find("submit", Span.SPAN_KIND_INTERNAL), collector.find("job", Span.SPAN_KIND_INTERNAL)
    assert (job.trace_id, job.parent_span_id) == (submit.trace_id, submit.span_id)


def test_a_generator_that_is_left_ends_its_span_without_a_failure(collector: Collector) -> None:
    def steps() -> Iterator[int]:
        with span("step"):
            yield 1
            yield 2

    config = Config(otlp_endpoint=collector.endpoint)
    let_go = hold_tracing(config)
    with continue_trace(find_tracing(config), ""), span("statement"):
        left = steps()
        next(left)
        left.close()
        after = current_trace()[1]
    let_go()
    step = collector.find("step", Span.SPAN_KIND_INTERNAL)
    assert step.status.code == Span().status.STATUS_CODE_UNSET
    assert collector.find("statement", Span.SPAN_KIND_INTERNAL).span_id.hex() == after


def test_the_trace_of_a_users_own_program_goes_on_in_the_services(client: Any, collector: Collector) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    with provider.get_tracer("a program").start_as_current_span("its work") as own:
        client.get_snapshot()
    client.stop()
    trace_id = own.get_span_context().trace_id
    assert collector.find("CatalogService/GetSnapshot", SERVER).trace_id == trace_id.to_bytes(16)


def test_a_batch_links_to_the_calls_that_it_served(collector: Collector) -> None:
    config = Config(otlp_endpoint=collector.endpoint)
    let_go = hold_tracing(config)
    tracing = find_tracing(config)
    assert tracing is not None
    origins = []
    for method in ("/a.B/One", "/a.B/Two"):
        end = tracing.begin_answer(method, (), "r")
        origins += [tracing.origin(), tracing.origin()]
        end("OK")
    tracing.record_batch([*origins, tracing.origin()], 0.5, {"rows": 4})
    tracing.record_batch(origins[:2], 0.5, {"rows": 2})
    let_go()
    one, two = collector.find("One", SERVER), collector.find("Two", SERVER)
    both, alone = (each for each in collector.spans if each.name == "batch")
    assert {link.span_id for link in both.links} == {one.span_id, two.span_id}
    assert both.trace_id not in (one.trace_id, two.trace_id)
    assert [link.span_id for link in alone.links] == [one.span_id]
    assert (alone.trace_id, alone.parent_span_id) == (one.trace_id, one.span_id)
    assert both.end_time_unix_nano - both.start_time_unix_nano == 500_000_000


def test_a_collector_that_is_not_there_disturbs_no_call() -> None:
    register = partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, Inference())
    config = Config(otlp_endpoint="http://127.0.0.1:1")
    server = start_aio_server(config, {"thanosql.v1.InferenceService": register})
    with open_channel(server.address) as channel:
        assert InferenceClient(channel).get_statistics() == ()
    server.stop()


def test_nothing_of_opentelemetry_is_loaded_where_no_endpoint_is_set() -> None:
    program = (
        "import sys; from thanosql.rpc.server import start_server; from thanosql.configuration import ServiceConfig\n"
        "class Config(ServiceConfig): service = 'catalog'\n"
        "start_server(Config(), {}).stop(); print(*(each for each in sys.modules if 'opentelemetry' in each))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_an_endpoint_without_the_packages_is_answered_by_the_command_that_installs_them() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from inference_service.__main__ import main; main(['--port', '0', '--otlp-endpoint', 'http://127.0.0.1:1'])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "pip install 'thanosql-speech[telemetry]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_threads_that_send_spans_end_with_the_last_server() -> None:
    config = Config(otlp_endpoint="http://127.0.0.1:1")
    first, second = start_server(config, {}), start_server(config, {})
    tracing = find_tracing(config)
    first.stop()
    assert find_tracing(config) is tracing
    second.stop()
    later = find_tracing(config)
    assert isinstance(later, Tracing)
    assert later is not tracing
    hold_tracing(config)()
