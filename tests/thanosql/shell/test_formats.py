"""Rows in each format, and results one after the other."""

from __future__ import annotations

import datetime
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thanosql.errors import NotSupported
from thanosql.result import Result
from thanosql.shell.formats import BINARY_FORMATS, TEXT_FORMATS
from thanosql.tables import as_text

BATCH = pa.RecordBatch.from_pydict(
    {
        "name": ["김, 민", None],
        "n": pa.array([1, 2], pa.int64()),
        "day": [datetime.date(2026, 1, 1), None],
        "price": [Decimal("1.50"), Decimal("0.10")],
        "words": [[{"word": "a"}], []],
        "ok": [True, False],
        "rate": [float("nan"), 0.5],
    }
)


def written(name: str, *results: list[pa.RecordBatch]) -> str:
    file = io.StringIO()
    writer = TEXT_FORMATS[name](file)
    for batches in results:
        for batch in batches:
            writer.write(batch)
        writer.end()
    return file.getvalue()


def test_csv_has_names_once_a_result_and_nothing_for_null():
    assert written("csv", [BATCH, BATCH.slice(1)], [BATCH.slice(0, 0)]).splitlines() == [
        "name,n,day,price,words,ok,rate",
        '"김, 민",1,2026-01-01,1.50,"[{""word"": ""a""}]",true,nan',
        ",2,,0.10,[],false,0.5",
        ",2,,0.10,[],false,0.5",
        "name,n,day,price,words,ok,rate",
    ]


def test_json_is_an_array_of_objects_that_others_can_read():
    first, _ = json.loads(written("json", [BATCH]))
    assert first == {
        **{"name": "김, 민", "n": 1, "day": "2026-01-01", "price": "1.50"},
        **{"words": [{"word": "a"}], "ok": True, "rate": "NaN"},
    }
    assert json.loads(written("json", [BATCH.slice(0, 0)])) == []


def test_json_keeps_the_digits_that_a_number_would_lose():
    batch = pa.RecordBatch.from_pydict({"a": [Decimal("0.12345678901234567890")]})
    assert json.loads(written("jsonl", [batch])) == {"a": "0.12345678901234567890"}


def test_json_lines_are_an_object_each():
    assert [json.loads(line)["n"] for line in written("jsonl", [BATCH], [BATCH]).splitlines()] == [1, 2, 1, 2]


def test_two_columns_of_one_name_are_both_there():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert json.loads(written("jsonl", [batch])) == {"a": 1, "a_2": 2}


def test_markdown_lines_numbers_up_and_keeps_its_bars():
    batch = pa.RecordBatch.from_pydict({"a|b": ["x|y", None], "n": [1, 2]})
    assert written("markdown", [batch]) == "| a\\|b | n |\n|---|---:|\n| x\\|y | 1 |\n| NULL | 2 |\n"


def test_vertical_counts_rows_on_through_batches():
    batch = pa.RecordBatch.from_pydict({"a": [1], "이름": ["x\x1b[2J"]})
    assert written("vertical", [batch, batch]).splitlines() == [
        *("─── row 1 ───", "a     1", "이름  x\\x1b[2J"),
        *("─── row 2 ───", "a     1", "이름  x\\x1b[2J"),
    ]


@pytest.mark.parametrize(
    ("name", "read"),
    [("arrow", lambda file: pa.ipc.open_stream(file).read_all()), ("parquet", pq.read_table)],
)
def test_a_binary_format_holds_the_rows_of_one_result(name, read):
    file = io.BytesIO()
    writer = BINARY_FORMATS[name](file)
    writer.write(BATCH.drop_columns(["words"]))
    writer.write(BATCH.drop_columns(["words"]))
    writer.end()
    assert read(io.BytesIO(file.getvalue())).num_rows == 4
    with pytest.raises(NotSupported, match="of one statement"):
        writer.write(BATCH)


def test_wide_letters_line_up_in_a_table():
    from rich.cells import cell_len

    result = Result("SELECT", "", batches=(pa.RecordBatch.from_pydict({"a": ["한국어", "abc"], "b": [1, 2]}),))
    lines = as_text(result).splitlines()
    places = {cell_len(line[: line.rindex(digit)]) for line, digit in ((lines[3], "1"), (lines[4], "2"))}
    assert len(places) == 1
