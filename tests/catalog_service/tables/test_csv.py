"""COPY from csv and tsv, with good files and the bad ones that people have."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog_service.tables.duckdb_store import DuckDBStore
from thanosql.errors import DataError, NameTaken, NotFound, NotSupported, PathRefused, StatementError
from thanosql.types import Column, IfExists

Load = Callable[..., int]
Rows = Callable[[str], list[tuple[object, ...]]]

CALLS = "audio_path,text\na.wav,hello\nb.wav,good bye\n"


def columns(store: DuckDBStore) -> dict[str, str]:
    (table,) = store.tables()
    return {column.name: column.type for column in table.columns}


def test_a_csv_becomes_a_table_in_the_order_of_its_lines(load: Load, rows_of: Rows) -> None:
    assert load(CALLS) == 2
    assert rows_of("SELECT * FROM calls") == [("a.wav", "hello"), ("b.wav", "good bye")]


def test_quotes_newlines_and_a_byte_order_mark_are_read(load: Load, rows_of: Rows) -> None:
    load('\ufeffaudio_path,text\r\na.wav,"she said ""yes, sir"""\r\nb.wav,"two\r\nlines"\r\n')
    assert rows_of("SELECT audio_path, text FROM calls") == [
        ("a.wav", 'she said "yes, sir"'),
        ("b.wav", "two\r\nlines"),
    ]


@pytest.mark.parametrize(
    ("content", "path"),
    [("a\tb\n1\tx\n", "t.tsv"), ("a;b\n1;x\n", "t.csv"), ("a|b\n1|x\n", "t.csv"), ("a,b\n1,x\n", "T.CSV")],
)
def test_the_separator_is_found_in_the_header(load: Load, rows_of: Rows, content: str, path: str) -> None:
    load(content, path)
    assert rows_of("SELECT a, b FROM calls") == [(1, "x")]


def test_types_follow_the_stated_rule(load: Load, store: DuckDBStore) -> None:
    load(
        "text,audio_path,id,code,phone,long_id,score,mixed,flag,day,at,at_utc,none\n"
        "1,1,1,007,+821012345678,12345678901234567890,1.5,1,true,2024-01-31,2024-01-31 10:00,2024-01-31T10:00:00Z,\n"
        "2,2,-20,8,+821000000000,1,2,x,FALSE,2024-02-29,2024-01-31T10:00:01.5,2024-01-31 10:00:00+09:00,\n"
    )
    assert columns(store) == {
        "text": "text",
        "audio_path": "text",
        "id": "bigint",
        "code": "text",
        "phone": "text",
        "long_id": "text",
        "score": "double precision",
        "mixed": "text",
        "flag": "boolean",
        "day": "date",
        "at": "timestamp",
        "at_utc": "timestamp with time zone",
        "none": "text",
    }


def test_a_day_that_does_not_exist_makes_the_column_text(load: Load, rows_of: Rows) -> None:
    load("day\n2024-02-30\n2024-01-01\n")
    assert rows_of("SELECT day FROM calls") == [("2024-02-30",), ("2024-01-01",)]


def test_leading_zeros_and_transcripts_of_digits_are_kept_letter_for_letter(load: Load, rows_of: Rows) -> None:
    load("id,text\n007,1\n08,2\n")
    assert rows_of("SELECT id, text FROM calls") == [("007", "1"), ("08", "2")]


def test_one_late_text_keeps_a_long_column_of_numbers_text(load: Load, store: DuckDBStore) -> None:
    load("n\n" + "1\n" * 50_000 + "x\n")
    assert columns(store) == {"n": "text"}


def test_an_empty_field_is_null_and_a_quoted_one_is_the_empty_text(load: Load, rows_of: Rows) -> None:
    load('text,n\n,1\n"",""\n')
    assert rows_of("SELECT text, n FROM calls") == [(None, 1), ("", None)]


def test_a_header_alone_makes_a_table_without_rows(load: Load, store: DuckDBStore) -> None:
    assert load("audio_path,text\n") == 0
    assert store.tables()[0].columns == (Column("audio_path", "text"), Column("text", "text"))


def test_a_column_without_a_name_is_named_by_its_place(load: Load, store: DuckDBStore) -> None:
    load(",text\n0,hello\n")
    assert list(columns(store)) == ["column1", "text"]


def test_korean_text_and_names_are_read(load: Load, rows_of: Rows) -> None:
    load("파일,text\n가.wav,안녕하세요\n", "음성 [1].csv", "통화")
    assert rows_of('SELECT * FROM "통화"') == [("가.wav", "안녕하세요")]


def test_a_name_with_pattern_letters_means_that_file_alone(load: Load, rows_of: Rows, workspace: Path) -> None:
    (workspace / "a1.csv").write_text("text\nwrong\n")
    load("text\nright\n", "a[1].csv")
    load("text\nright\n", "a*.csv", if_exists=IfExists.APPEND)
    assert rows_of("SELECT text FROM calls") == [("right",), ("right",)]


def test_lines_that_end_in_different_ways_are_read(load: Load, rows_of: Rows) -> None:
    load("audio_path,text\r\na.wav,hello\nb.wav,bye\r\n")
    assert rows_of("SELECT audio_path, text FROM calls") == [("a.wav", "hello"), ("b.wav", "bye")]


def test_a_missing_file_is_named_with_the_folder_that_was_looked_in(copy: Load, workspace: Path) -> None:
    with pytest.raises(NotFound, match=r"'nope/calls.csv' does not exist") as caught:
        copy("nope/calls.csv")
    assert str(workspace) in caught.value.hint


def test_an_empty_file_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"'calls.csv' is empty"):
        load("")


def test_a_file_with_blank_lines_only_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"first line of 'calls.csv' is empty"):
        load("\n\n")


def test_a_line_with_too_many_columns_is_named(load: Load) -> None:
    with pytest.raises(DataError) as caught:
        load("audio_path,text\na.wav,hello\nb.wav,yes, sir\nc.wav,no, sir\n")
    assert caught.value.message == (
        "line 3 of 'calls.csv' has 3 columns, the header has 2 columns (audio_path, text): 'b.wav,yes, sir'; "
        "1 more line is wrong too"
    )
    assert '"yes, sir"' in caught.value.hint


def test_a_line_with_too_few_columns_is_named_by_the_line_it_begins_on(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 4 of 'calls.csv' has 1 column, the header has 2"):
        load('audio_path,text\na.wav,"two\nlines"\nb.wav\n')


def test_a_quote_that_is_never_closed_is_named_by_its_line(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 3 of 'calls.csv' opens a double quote that is never closed"):
        load('audio_path,text\na.wav,hello\nb.wav,"good\nc.wav,bye\n')


def test_text_after_a_closing_quote_is_named_by_its_line(load: Load) -> None:
    with pytest.raises(DataError, match=r"line 2 of 'calls.csv' has something between the closing double quote"):
        load('audio_path,text\na.wav,"hel"lo\n')


def test_a_file_in_another_encoding_is_named_with_its_line_and_what_to_do(load: Load) -> None:
    with pytest.raises(DataError) as caught:
        load("audio_path,text\na.wav,hello\nb.wav,안녕하세요\n".encode("cp949"))
    assert "line 3, byte 7" in caught.value.message
    assert "looks like CP949, in which the line begins with 'b.wav,안녕하세요'" in caught.value.message
    assert "iconv -f CP949 -t UTF-8" in caught.value.hint


def test_a_file_in_utf16_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match="text in UTF-16"):
        load(CALLS.encode("utf-16"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"fLaC\x00rest", "audio"),
        (b"a,b\n1,\x00\n", "not a text file"),
        (b"PAR1", "Parquet"),
    ],
)
def test_a_binary_file_named_csv_is_refused(load: Load, content: bytes, what: str) -> None:
    with pytest.raises(DataError, match=what):
        load(content)


def test_columns_of_one_name_are_refused(load: Load) -> None:
    with pytest.raises(DataError, match="more than one column 'text'"):
        load("text,audio_path,Text\na,b,c\n")


def test_a_file_without_a_header_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"does not name the columns: 'a.wav' is a recording"):
        load("a.wav,hello\nb.wav,bye\n")


@pytest.mark.parametrize("path", ["calls.txt", "calls"])
def test_a_file_of_another_kind_is_not_supported(load: Load, path: str) -> None:
    with pytest.raises(NotSupported):
        load("x", path)


def test_a_single_recording_is_no_table(load: Load) -> None:
    with pytest.raises(NotSupported) as raised:
        load("x", "calls/a.wav")
    assert "COPY calls FROM 'calls'" in raised.value.hint


@pytest.mark.parametrize("path", ["../secret.csv", "{parent}/secret.csv", "link.csv", "https://example.org/a.csv"])
def test_a_path_outside_the_workspace_is_refused(copy: Load, workspace: Path, path: str) -> None:
    (workspace.parent / "secret.csv").write_text(CALLS)
    (workspace / "link.csv").symlink_to(workspace.parent / "secret.csv")
    with pytest.raises(PathRefused):
        copy(path.format(parent=workspace.parent))


def test_a_table_without_a_name_is_refused(load: Load) -> None:
    with pytest.raises(StatementError, match="empty"):
        load(CALLS, table=" ")


def test_a_name_that_is_taken_needs_overwrite(load: Load, rows_of: Rows) -> None:
    load(CALLS)
    with pytest.raises(NameTaken) as caught:
        load("text\nother\n")
    assert "overwrite=True" in caught.value.hint
    assert rows_of("SELECT count(*) FROM calls") == [(2,)]


def test_replace_brings_new_columns(load: Load, rows_of: Rows) -> None:
    load(CALLS)
    load("text\nother\n", if_exists=IfExists.REPLACE)
    assert rows_of("SELECT * FROM calls") == [("other",)]


def test_a_file_that_cannot_be_read_leaves_the_old_table(load: Load, rows_of: Rows) -> None:
    load(CALLS)
    with pytest.raises(DataError):
        load("text\n" + "fine\n" * 300_000 + '"never closed\n', if_exists=IfExists.REPLACE)
    assert rows_of("SELECT count(*) FROM calls") == [(2,)]


def test_append_matches_columns_by_name_in_any_order(load: Load, rows_of: Rows) -> None:
    load("id,text\n1,a\n")
    load("Text,ID\nb,2\n", if_exists=IfExists.APPEND)
    assert rows_of("SELECT id, text FROM calls") == [(1, "a"), (2, "b")]


def test_append_with_other_columns_names_them(load: Load, rows_of: Rows) -> None:
    load("id,text\n1,a\n")
    with pytest.raises(DataError, match=r"'more.csv' lacks id; the table lacks speaker"):
        load("text,speaker\nb,c\n", "more.csv", if_exists=IfExists.APPEND)
    assert rows_of("SELECT count(*) FROM calls") == [(1,)]


def test_append_of_values_of_another_type_shows_one(load: Load, rows_of: Rows) -> None:
    load("id,text\n1,a\n")
    with pytest.raises(DataError, match=r"column 'id' of the table is bigint, and 1 of 2 values .* example 'x'"):
        load("id,text\n2,b\nx,c\n", "more.csv", if_exists=IfExists.APPEND)
    assert rows_of("SELECT count(*) FROM calls") == [(1,)]


def test_append_to_a_table_that_is_not_there_makes_it(load: Load) -> None:
    assert load(CALLS, if_exists=IfExists.APPEND) == 2


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), separator=st.sampled_from(",;\t|"))
def test_what_pythons_csv_writes_comes_back_letter_for_letter(
    load: Load, rows_of: Rows, rows: list[tuple[str, str]], separator: str
) -> None:
    content = io.StringIO()
    writer = csv.writer(content, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow(["audio_path", "text"])
    writer.writerows(rows)
    assert load(content.getvalue(), if_exists=IfExists.REPLACE) == len(rows)
    assert rows_of("SELECT audio_path, text FROM calls") == rows


def test_a_value_far_down_decides_the_type_as_one_in_the_first_rows_does(
    load: Load, rows_of: Rows, store: DuckDBStore
) -> None:
    many = 30_000
    for first, last, kind in (
        ("1", "007", "text"),
        ("1", "2.5", "double precision"),
        ("2.5", "1", "double precision"),
        ("2.5", "1234567890123456", "double precision"),
        ("", "7", "bigint"),
        ("", "x", "text"),
        ("2024-02-28", "2024-02-30", "text"),
        ("2024-02-28", "2024-02-28 10:00", "text"),
        ("true", "yes", "text"),
        ("true", "", "boolean"),
    ):
        load("v,text\n" + f"{first},a\n" * many + f"{last},b\n", if_exists=IfExists.REPLACE)
        assert store.tables()[0].columns[0] == Column("v", kind), (first, last)
        assert rows_of("SELECT count(*) FROM calls") == [(many + 1,)]
        if kind == "text":
            assert rows_of("SELECT v FROM calls WHERE text = 'b'") == [(last,)]


def test_a_fault_far_down_is_told_by_its_line_and_leaves_the_old_table(load: Load, rows_of: Rows) -> None:
    load("id,text\n1,old\n")
    with pytest.raises(DataError, match="line 30002"):
        load("id,text\n" + "1,a\n" * 30_000 + "1,a,b\n", if_exists=IfExists.REPLACE)
    assert rows_of("SELECT id, text FROM calls") == [(1, "old")]


def test_a_value_far_down_that_does_not_fit_the_table_is_told(load: Load, rows_of: Rows) -> None:
    load("id,text\n1,old\n")
    with pytest.raises(DataError, match="1 of 30001 values of the file are not, for example 'x'"):
        load("id,text\n" + "1,a\n" * 30_000 + "x,b\n", if_exists=IfExists.APPEND)
    assert rows_of("SELECT id FROM calls") == [(1,)]
