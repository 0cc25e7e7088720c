"""Values as JSON has them, and the choice of a format."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from thanosql.gateway.failures import Refusal
from thanosql.gateway.queries import choose_format, read_query
from thanosql.gateway.results import FORMATS
from thanosql.json_rows import as_json, describe_columns, read_rows


def test_values_that_json_has_not_are_text():
    row = [Decimal("1.50"), date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), float("-inf"), b"\xff", None, 2**70]
    assert as_json(row) == ["1.50", "2026-01-02", "2026-01-02T00:00:00+00:00", "-Infinity", "/w==", None, 2**70]
    assert as_json({"a": timedelta(seconds=1.5)}) == {"a": 1.5}


def test_columns_of_one_name_stay_two():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert describe_columns(batch.schema) == [{"name": "a", "type": "bigint"}, {"name": "a", "type": "text"}]
    assert list(read_rows(batch)) == [[1, "x"]]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/html, application/x-ndjson;q=0.5", "application/x-ndjson"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
    ],
)
def test_the_first_format_that_is_wanted_and_can_be_had_is_taken(accept, kind):
    assert choose_format(accept) == FORMATS[kind]


def test_formats_that_cannot_be_had_are_refused():
    with pytest.raises(Refusal, match="none of the formats"):
        choose_format("image/png, application/json;q=0")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"query": 1}', b'{"query": "x", "colour": 1}', b'{"query": "x", "parameters": 1}',
     b'{"query": "x", "parameters": {"a": {}}}', b'{"query": "\\ud800"}', b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_query_is_refused(body):
    with pytest.raises(Refusal) as refused:
        read_query(body)
    assert refused.value.status == 400
