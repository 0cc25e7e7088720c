"""What a result holds, and how it shows itself."""

from __future__ import annotations

import datetime
import decimal
import re
from typing import Any

import pyarrow as pa
import pytest

from thanosql.result import Result, read_batches
from thanosql.tables import as_text, cell, duration, type_name
from thanosql.types import Clip, ClipCaption, Rows


def result_of(columns: dict[str, Any], **fields: Any) -> Result:
    return Result("SELECT", "SELECT …", tuple(pa.table(columns).to_batches()), seconds=0.25, **fields)


def test_rows_are_named_tuples():
    rows = list(result_of({"audio_path": ["a.wav"], "count(*)": [3]}))
    assert rows == [("a.wav", 3)]
    assert rows[0].audio_path == "a.wav"
    assert rows[0][1] == 3


def test_columns_of_the_same_name_are_kept():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    result = Result("SELECT", "", tuple(table.to_batches()))
    assert result.columns == ("a", "a")
    assert list(result) == [(1, 2)]
    assert "     1        2" in repr(result)


def test_a_result_becomes_arrow_and_pandas():
    result = result_of({"a": [1, 2], "b": ["x", None]})
    assert result.to_arrow().to_pydict() == {"a": [1, 2], "b": ["x", None]}
    frame = result.to_pandas()
    assert list(frame.columns) == ["a", "b"]
    assert frame.shape == (2, 2)


def test_an_effect_has_no_rows_but_is_true():
    result = Result("COPY", "COPY …", message="Success", rows=80, seconds=0.25)
    assert len(result) == 0
    assert result
    assert result.to_pandas().empty
    assert repr(result) == "Success · 80 rows · 0.2 s"


def test_a_result_without_rows_keeps_its_columns():
    schema = pa.schema([("a", pa.int64())])
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, schema).close()
    result = Result("SELECT", "", tuple(read_batches(Rows(sink.getvalue().to_pybytes()))))
    assert result.columns == ("a",)
    assert list(result) == []
    assert "0 rows" in repr(result)
    assert list(result.to_pandas().columns) == ["a"]


def test_a_table_shows_names_types_and_values():
    text = repr(result_of({"audio_path": ["a.wav", None], "seconds": [1.5, 2.25]}))
    assert text.splitlines() == [
        "audio_path   seconds",
        "text          double",
        "─" * 20,
        "a.wav            1.5",
        "NULL            2.25",
        "2 rows · 0.2 s",
    ]


def test_a_long_table_says_that_it_is_cut():
    result = result_of({"a": list(range(1000))})
    assert "1,000 rows, the first 20 shown" in repr(result)
    assert "19" in repr(result)
    assert "\n 20" not in repr(result)
    assert "999" in as_text(result, limit=0)


def test_an_explanation_is_shown_whole_and_keeps_its_indentation():
    lines = tuple(pa.table({"plan": [f"{' ' * (i % 3)}line {i}" for i in range(100)]}).to_batches())
    result = Result("EXPLAIN", "EXPLAIN …", lines)
    assert "\n  line 98" in repr(result)
    assert "shown" not in repr(result)
    assert '<td class="tq-whole" style="text-align:left">  line 98</td>' in result._repr_html_()


def test_a_terminal_does_not_obey_a_cell():
    text = repr(result_of({"a": ["\x1b[31mred\x1b[0m\nnew line [bold]x[/bold]"]}))
    assert "\x1b" not in text
    assert r"\x1b[31mred\x1b[0m\nnew line [bold]x[/bold]" in text


def test_clips_are_a_list_of_files_in_a_terminal():
    clips = (Clip("a.wav", "audio/wav", b"x", 1.25), Clip("b.wav", "audio/wav", b"x", 2, (ClipCaption("text", "hi"),)))
    text = repr(Result("PRINT AUDIO", "", clips=clips, seconds=0.25))
    assert re.search(r"clip\s+seconds\s+text", text)
    assert re.search(r"b\.wav\s+2\.0\s+hi", text)
    assert "2 clips, 3.2 s of audio · 0.2 s" in text


def test_a_notebook_gets_both_forms():
    bundle = result_of({"a": [1]})._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/plain", "text/html"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1234567"),
        (1234567.891, "1234567.89"),
        (1e-5, "1e-05"),
        (0.6309523812381, "0.630952"),
        (-1e300, "-1e+300"),
        (float("nan"), "nan"),
        (b"abc", "⟨3 bytes⟩"),
        ([1, None], "[1, null]"),
        ({"a": datetime.date(2024, 1, 2)}, '{"a": "2024-01-02"}'),
        (decimal.Decimal("1.50"), "1.50"),
        ("x" * 1000, "x" * 299 + "…"),
        ("\u202egnp", r"\u202egnp"),
    ],
)
def test_every_value_is_one_line_of_text(value, text):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.string(), "text"),
        (pa.int64(), "bigint"),
        (pa.timestamp("us"), "timestamp"),
        (pa.timestamp("us", "UTC"), "timestamptz"),
        (pa.decimal128(10, 2), "numeric(10, 2)"),
        (pa.list_(pa.int32()), "list<item: int32>"),
    ],
)
def test_types_have_their_names_in_sql(kind, name):
    assert type_name(kind) == name


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.012, "12 ms"), (3.14, "3.1 s"), (59.97, "1 min 00 s"), (125.4, "2 min 05 s")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_a_single_row_that_is_too_wide_stands_upright():
    result = result_of({f"column_{number}": [number] for number in range(12)})
    assert as_text(result, width=60).splitlines()[:3] == ["column_0   0", "column_1   1", "column_2   2"]
    assert as_text(result, width=600).splitlines()[0].split() == list(result.columns)


def test_a_path_stays_in_one_piece_when_the_text_beside_it_can_give_way():
    path = "tutorial_data/librispeech_data/000.flac"
    columns = {"audio_path": [path, path], "text": ["one two three four five six seven " * 3] * 2}
    assert path in as_text(result_of(columns), width=80)
    narrow = as_text(result_of(columns), width=30)
    assert path not in narrow
    assert "seven" in narrow
    assert all(len(line) <= 30 for line in narrow.splitlines())


def test_a_result_of_a_screenful_is_shown_whole():
    assert "59" in repr(result_of({"a": list(range(60))}))
    assert "shown" not in repr(result_of({"a": list(range(60))}))
