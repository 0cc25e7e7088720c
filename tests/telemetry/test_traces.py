"""A statement is one trace through the services, and what a job does minutes later belongs to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.telemetry.collector import CollectedSpan, Collector
from tests.telemetry.conftest import SECRET, Observed

Tree = dict[str, list["Tree | str"]]


class Trace:
    """The spans of one statement."""

    def __init__(self, collector: Collector, statement: str) -> None:
        root = collector.wait_for(lambda each: each.name == statement)
        collector.wait_for(lambda each: each.id == root.parent)
        self.statement = root
        self.spans = _settled(collector, root.trace)
        self.by_id = {each.id: each for each in self.spans}

    def find(self, name: str, kind: str = "internal") -> CollectedSpan:
        (span,) = self.all(name, kind)
        return span

    def all(self, name: str, kind: str = "internal") -> list[CollectedSpan]:
        return [each for each in self.spans if each.name.endswith(name) and each.kind == kind]

    def above(self, span: CollectedSpan) -> list[str]:
        """What a span is a part of, from the nearest on: our own pieces of work, and calls by their method."""
        return [each.name.rpartition("/")[2] for each in self._ancestors(span) if each.kind != "client"]

    def _ancestors(self, span: CollectedSpan) -> Iterator[CollectedSpan]:
        while span.parent in self.by_id:
            span = self.by_id[span.parent]
            yield span


def _settled(collector: Collector, trace: str, seconds: float = 20.0) -> list[CollectedSpan]:
    """The spans of a trace, once each has its parent and each call its answer: the services send theirs apart."""
    deadline = time.monotonic() + seconds
    while True:
        spans = [each for each in collector.spans if each.trace == trace]
        ids, parents = {each.id for each in spans}, {each.parent for each in spans}
        is_whole = parents <= {*ids, ""} and {each.id for each in spans if each.kind == "client"} <= parents
        if is_whole or time.monotonic() > deadline:
            return spans
        time.sleep(0.1)


@pytest.fixture(scope="module")
def predict(observed: Observed) -> Trace:
    return Trace(observed.collector, "PREDICT")


@pytest.fixture(scope="module")
def build(observed: Observed) -> Trace:
    return Trace(observed.collector, "BUILD MODEL")


def test_a_predict_is_one_trace_through_the_services_that_it_needs(predict: Trace) -> None:
    assert {each.service for each in predict.spans} == {"query_service", "catalog_service", "inference_service"}
    ends = [each for each in predict.spans if each.parent not in predict.by_id]
    assert [(each.name, each.parent) for each in ends] == [("thanosql.v1.QueryService/Execute", "")]


def test_the_life_of_a_predict_is_a_tree(predict: Trace) -> None:
    execute = ["Execute"]
    assert predict.above(predict.find("parse")) == execute
    assert predict.above(predict.find("plan")) == ["PREDICT", *execute]
    assert predict.above(predict.find("/GetSnapshot", "server")) == ["plan", "PREDICT", *execute]
    step = ["transcribe", "PREDICT", *execute]
    assert predict.above(predict.find("/Query", "server")) == step
    assert predict.above(predict.find("transcribe clips")) == step
    (heard,) = predict.all("/Transcribe", "server")
    assert predict.above(heard) == ["transcribe clips", *step]
    batches = predict.all("batch")
    assert sum(each.attributes["rows"] for each in batches) == 6
    assert all(each.links == (heard.id,) for each in batches)


def test_the_span_of_a_statement_tells_what_it_was_and_none_of_its_literals(predict: Trace) -> None:
    told = predict.statement.attributes
    assert told["db.operation.name"] == "PREDICT"
    assert told["db.query.text"] == "PREDICT USING heard AS SELECT * FROM clips WHERE audio_path <> ?"
    assert told["db.response.returned_rows"] == 7
    clips = predict.find("transcribe clips").attributes
    assert (clips["thanosql.clips"], clips["thanosql.clips.transcribed"]) == (6, 6)


def test_no_literal_and_no_secret_stands_in_any_span(observed: Observed, predict: Trace, build: Trace) -> None:
    told = [str(each) for each in observed.collector.spans]
    assert not [each for each in told if SECRET in each or "the installation's secret" in each]


def test_a_build_is_one_trace_from_its_statement_to_the_process_that_trains(build: Trace) -> None:
    services = {each.service for each in build.spans}
    assert {"query_service", "catalog_service", "trainer_service"} <= services
    job, process = build.find("job"), build.find("job process")
    assert job.pid != process.pid
    assert process.attributes["process.pid"] == process.pid
    assert build.above(process)[:3] == ["job", "SubmitJob", "train model"]
    assert build.above(job)[1:] == ["train model", "BUILD MODEL", "Execute"]
    ends = [each for each in build.spans if each.parent not in build.by_id]
    assert [each.name for each in ends] == ["thanosql.v1.QueryService/Execute"]


def test_epochs_export_and_parity_gate_are_told_apart(build: Trace) -> None:
    epochs = build.all("epoch")
    assert sorted(each.attributes["thanosql.epoch"] for each in epochs) == [1, 2]
    for each in epochs:
        assert build.above(each)[:2] == ["fine-tune", "job process"]
    gate = build.find("parity gate")
    assert build.above(gate)[0] == "job process"
    assert 0 <= gate.attributes["thanosql.parity.onnx"] < 1e-3
    assert build.find("export").end <= gate.begin


def test_a_statement_that_fails_is_a_failed_span_with_the_name_of_the_error(observed: Observed) -> None:
    failed = observed.collector.wait_for(lambda each: each.name == "SELECT")
    assert failed.failed
    assert failed.attributes["error.type"] == "UnknownTable"


def test_what_services_do_for_nobody_makes_no_traces(observed: Observed, build: Trace) -> None:
    roots = {each.name for each in observed.collector.spans if not each.parent}
    assert roots <= {f"thanosql.v1.QueryService/{each}" for each in ("Execute", "Attach", "Cancel")}
