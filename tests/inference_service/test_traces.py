"""One PREDICT is one trace through the services, with the batches that it filled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from catalog_service import __main__ as catalog_main
from catalog_service.config import CatalogConfig
from inference_service import __main__ as inference_main
from inference_service.config import InferenceConfig
from query_service import __main__ as query_main
from query_service.config import QueryConfig
from thanosql.clients import CatalogClient, QueryClient
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists, Model


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that are sent to it, by service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, f"http://127.0.0.1:{port}"
    server.stop(5).wait()


def test_a_predict_over_two_clips_is_one_trace_with_its_batches(
    own_store: Path, checkout: Path, collector: tuple[Collector, str]
) -> None:
    collected, endpoint = collector
    workspace = own_store.parent.parent / "workspace"
    workspace.mkdir()
    for name in ("000.flac", "001.flac"):
        shutil.copy(checkout / "tutorial_data" / "librispeech_data" / name, workspace)
    (workspace / "clips.csv").write_text("audio_path\n000.flac\n001.flac\n")
    folders = {"workspace": workspace, "state": own_store.parent, "port": 0}
    traced = {**folders, "otlp_endpoint": endpoint}
    with ExitStack() as stack:
        catalog = catalog_main.start(CatalogConfig(**traced))
        stack.callback(catalog.stop)
        inference = inference_main.start(InferenceConfig(**traced, device="cpu"))
        stack.callback(inference.stop)
        query = query_main.start(QueryConfig(**traced, catalog=catalog.address, inference=inference.address))
        stack.callback(query.stop)
        tables = CatalogClient(stack.enter_context(open_channel(catalog.address)))
        tables.register_model(Model("tiny", 1, class_name="Test", base="test"))
        list(tables.copy_table("clips", "clips.csv", IfExists.FAIL))
        client = QueryClient(stack.enter_context(open_channel(query.address)))
        list(client.execute("PREDICT USING tiny AS SELECT audio_path FROM clips"))

    named = [(service, span) for service, span in collected.spans if span.name.endswith("QueryService/Execute")]
    ((service, root),) = named
    assert service == "query_service"
    assert not root.parent_span_id
    trace = [(service, span) for service, span in collected.spans if span.trace_id == root.trace_id]
    assert {service for service, _ in trace} == {"query_service", "catalog_service", "inference_service"}
    by_id = {span.span_id: span for _, span in trace}
    assert all(span.parent_span_id in by_id for _, span in trace if span is not root)
    (transcribe,) = (
        span for service, span in trace if span.name.endswith("/Transcribe") and service == "inference_service"
    )
    batches = [span for _, span in trace if span.name == "batch"]
    assert batches
    assert all([link.span_id for link in batch.links] == [transcribe.span_id] for batch in batches)
    rows = [each.value.int_value for batch in batches for each in batch.attributes if each.key == "rows"]
    assert sum(rows) == 2
