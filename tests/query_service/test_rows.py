"""Rows that are made here: listings, and rows that are kept in a file while they are worked on."""

from __future__ import annotations

import doctest
import json
from dataclasses import asdict
from datetime import UTC, datetime

import pyarrow as pa
import pytest

import query_service.language.source
import query_service.planning.explain
from query_service.running.arrow import read_rows
from query_service.running.spool import IN_MEMORY, RowSpool
from query_service.showing.listings import model_rows, property_rows, table_rows
from thanosql.histogram import make_histogram
from thanosql.types import Model, ModelStatistics, ServingPlan, ServingState, Table


def values(rows):
    return [row for batch in read_rows(rows) for row in batch.to_pylist()]


def test_an_empty_list_has_its_columns():
    (batch,) = read_rows(model_rows(()))
    assert batch.num_rows == 0
    assert batch.schema.names == ["name", "class_name", "version", "wer", "last_updated_utc"]


def test_lists_are_in_the_order_of_names():
    assert [row["name"] for row in values(table_rows([Table("b"), Table("a")]))] == ["a", "b"]


def test_a_training_report_is_shown_figure_by_figure():
    report = json.dumps(
        {"rows": {"kept": 80, "dropped": {"silent": 2}}, "loss": 0.123456789, "notes": ["a"], "base": None}
    )
    model = Model("m", 2, "Wav2Vec2En", "a/b@c", wer=0.25, updated_at=datetime(2026, 1, 2, tzinfo=UTC), report=report)
    shown = {row["property"]: row["value"] for row in values(property_rows(model))}
    assert shown["wer"] == "0.25"
    assert shown["cer"] is None
    assert shown["last_updated_utc"] == "2026-01-02 00:00:00"
    assert {name: text for name, text in shown.items() if name.startswith("report.")} == {
        "report.rows.kept": "80",
        "report.rows.dropped.silent": "2",
        "report.loss": "0.123457",
        "report.notes": '["a"]',
        "report.base": None,
    }


def test_a_histogram_of_the_report_is_shown_by_its_bars_and_bins():
    report = json.dumps({"recording_seconds": asdict(make_histogram([0.5, 1.2, 1.4, 12.0], (0, 1, 2, 5)))})
    model = Model("m", 2, "A", "b", report=report)
    shown = {row["property"]: row["value"] for row in values(property_rows(model))}
    assert shown["report.recording_seconds"] == "▅█▁▅ 0.5 to 12, median 1.3 (0 to 1: 1; 1 to 2: 2; from 5: 1)"


def test_how_a_model_is_served_is_shown_with_what_was_measured():
    plan = ServingPlan("cpu", "onnxruntime", "fp32", 2, 1, 30.0, 1, 32.0, audio_rate=12.7, reason="batches do not pay")
    model = Model("m", 2, "Wav2Vec2En", "a/b@c")
    shown = {row["property"]: row["value"] for row in values(property_rows(model, ModelStatistics("m", 2, plan=plan)))}
    assert {name: text for name, text in shown.items() if name.startswith("serving.")} == {
        "serving.state": "ready",
        "serving.device": "cpu",
        "serving.engine": "onnxruntime",
        "serving.precision": "fp32",
        "serving.workers": "2",
        "serving.threads": "1",
        "serving.batch_seconds": "30",
        "serving.batch_rows": "1",
        "serving.concurrent_seconds": "32",
        "serving.audio_rate": "12.7",
        "serving.measured": "batches do not pay",
    }


def test_a_model_that_cannot_be_served_says_why():
    serving = ModelStatistics("m", 2, state=ServingState.BROKEN, problem="the graph is damaged")
    shown = {row["property"]: row["value"] for row in values(property_rows(Model("m", 2, "A", "b"), serving))}
    assert (shown["serving.state"], shown["serving.problem"]) == ("broken", "the graph is damaged")
    assert "serving.device" not in shown


@pytest.mark.parametrize("size", [10, IN_MEMORY])
def test_rows_come_back_from_the_spool_as_they_were_as_often_as_one_likes(size):
    batch = pa.RecordBatch.from_pydict({"a": ["x" * (size // 10)] * 10, "b": list(range(10))})
    with RowSpool() as spool:
        for _ in range(3):
            spool.append(batch)
        assert spool.rows == 30
        for _ in range(2):
            assert [each.equals(batch) for each in spool.batches()] == [True, True, True]


@pytest.mark.parametrize("module", [query_service.language.source, query_service.planning.explain])
def test_the_examples_in_docstrings_run(module):
    assert doctest.testmod(module).failed == 0
