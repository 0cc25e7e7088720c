"""COPY from JSON lines and Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog_service.tables.duckdb_store import DuckDBStore
from thanosql.errors import DataError
from thanosql.types import Column, IfExists

Load = Callable[..., int]
Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def parquet(workspace: Path, copy: Load) -> Load:
    def write(table: pa.Table, path: str = "calls.parquet", if_exists: IfExists = IfExists.FAIL) -> int:
        pq.write_table(table, workspace / path)
        return copy(path, if_exists=if_exists)

    return write


def test_json_lines_become_a_table_and_strings_stay_text(load: Load, store: DuckDBStore, rows_of: Rows) -> None:
    load(
        '{"audio_path": "a.wav", "text": 1, "day": "01-02-2024", "n": 1, "score": 0.5, "ok": true, "tags": ["x"]}\n'
        '\n{"audio_path": "b.wav", "n": 2, "other": {"a": 1}}\n',
        "calls.jsonl",
    )
    types = {column.name: column.type for column in store.tables()[0].columns}
    assert types == {
        "audio_path": "text",
        "text": "text",
        "day": "text",
        "n": "bigint",
        "score": "double precision",
        "ok": "boolean",
        "tags": "text",
        "other": "text",
    }
    assert rows_of("SELECT text, day, tags, other FROM calls") == [
        ("1", "01-02-2024", '["x"]', None),
        (None, None, None, '{"a":1}'),
    ]


def test_a_column_of_numbers_and_strings_is_text_without_quotes(load: Load, rows_of: Rows) -> None:
    load('{"a": 1}\n{"a": "x"}\n', "calls.jsonl")
    assert rows_of("SELECT a FROM calls") == [("1",), ("x",)]


def test_an_array_of_objects_is_taken_too(load: Load, rows_of: Rows) -> None:
    load('[{"a": 1},\n {"a": 2}]', "calls.json")
    assert rows_of("SELECT a FROM calls") == [(1,), (2,)]


def test_a_line_that_is_not_json_is_named(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 3 of 'calls.jsonl' is not JSON"):
        load('{"a": 1}\n{"a": 2}\n{"a": \n', "calls.jsonl")


def test_a_key_that_comes_twice_is_named(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 1 of 'calls.jsonl' has the key 'a' more than once"):
        load('{"a": 1, "a": 2}\n', "calls.jsonl")


@pytest.mark.parametrize("content", ["1\n2\n", "[1, 2]\n", '"text"\n', "audio_path,text\n", "\n"])
def test_json_that_is_no_object_is_refused(load: Load, content: str) -> None:
    with pytest.raises(DataError, match="no JSON objects"):
        load(content, "calls.jsonl")


def test_an_empty_json_file_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match="empty"):
        load("", "calls.jsonl")


def test_parquet_brings_its_types(parquet: Load, store: DuckDBStore, rows_of: Rows) -> None:
    parquet(pa.table({"audio_path": ["a.wav"], "text": [7], "seconds": pa.array([1.5], pa.float32()), "tags": [["x"]]}))
    assert store.tables()[0].columns == (
        Column("audio_path", "text"),
        Column("text", "text"),
        Column("seconds", "real"),
        Column("tags", "text[]"),
    )
    assert rows_of("SELECT * FROM calls") == [("a.wav", "7", 1.5, ["x"])]


def test_parquet_without_rows_makes_a_table_without_rows(parquet: Load) -> None:
    assert parquet(pa.table({"text": pa.array([], pa.string())})) == 0


def test_parquet_is_appended_by_name_with_the_types_of_the_table(load: Load, parquet: Load, rows_of: Rows) -> None:
    load("id,text\n1,a\n")
    parquet(pa.table({"text": ["b"], "id": pa.array([2], pa.int8())}), if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [(1, "a"), (2, "b")]


def test_parquet_of_another_type_is_not_appended(load: Load, parquet: Load, rows_of: Rows) -> None:
    load("id,text\n1,a\n")
    with pytest.raises(DataError, match=r"'calls.parquet' cannot be read: .*x"):
        parquet(pa.table({"text": ["b"], "id": ["x"]}), if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [(1, "a")]


@pytest.mark.parametrize(("content", "problem"), [(b"", "empty"), (b"a,b\n", "not a Parquet"), (b"PAR1abc", "cut off")])
def test_a_file_that_is_not_parquet_is_refused(load: Load, content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        load(content, "calls.parquet")


def test_a_parquet_file_damaged_inside_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"'calls.parquet' cannot be read"):
        load(b"PAR1" + b"\0" * 100 + b"PAR1", "calls.parquet")
