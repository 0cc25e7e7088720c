"""COPY from Excel workbooks, with the good ones and the bad ones that people have."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from catalog_service.tables import sheet_parts
from catalog_service.tables.sheet_task import SheetTask
from catalog_service.tables.workbook_sheet import read_sheet
from thanosql.errors import DataError, InvalidOption, NotSupported
from thanosql.types import IfExists, Notice

Copy = Callable[..., int]
Rows = Callable[[str], list[tuple[object, ...]]]
Write = Callable[..., Path]
Read = Callable[..., pa.Table]

HEADER = ["audio_path", "text"]
DAY, MOMENT, TIME, DURATION = "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm", "[h]:mm:ss"


@pytest.fixture
def write(workspace: Path) -> Write:
    """Makes a workbook of sheets of cells; a cell is a value, or a value and its format."""

    def write(
        path: str = "calls.xlsx",
        change: Callable[[xlsxwriter.Workbook], object] | None = None,
        **sheets: list[list[Any]],
    ) -> Path:
        with xlsxwriter.Workbook(workspace / path) as workbook:
            for name, rows in sheets.items():
                sheet = workbook.add_worksheet(name)
                for row, cells in enumerate(rows):
                    for column, cell in enumerate(cells):
                        if isinstance(cell, tuple):
                            sheet.write(row, column, cell[0], workbook.add_format({"num_format": cell[1]}))
                        elif isinstance(cell, str):
                            sheet.write_string(row, column, cell)
                        elif cell is not None:
                            sheet.write(row, column, cell)
            if change is not None:
                change(workbook)
        return workspace / path

    return write


@pytest.fixture
def read(workspace: Path, notices: list[str]) -> Read:
    """Reads a sheet of a workbook, in this process."""

    def read(path: str = "calls.xlsx", sheet: str = "") -> pa.Table:
        reading = read_sheet(SheetTask(workspace / path, path, sheet, None, workspace / "rows.arrow"), lambda: 0.0)
        while True:
            try:
                event = next(reading)
            except StopIteration as end:
                table: pa.Table = end.value.rows
                return table
            if isinstance(event, Notice):
                notices.append(event.text)

    return read


def columns(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def rows(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def rewrite(file: Path, part: str, change: Callable[[bytes], bytes]) -> None:
    """Changes one part of the archive that a workbook is."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_sheet_becomes_a_table_in_the_order_of_its_rows(write: Write, copy: Copy, rows_of: Rows) -> None:
    write(Calls=[HEADER, ["b.wav", "안녕하세요"], ["a.wav", "two\nlines"]])
    assert copy("calls.xlsx") == 2
    assert rows_of("SELECT * FROM calls") == [("b.wav", "안녕하세요"), ("a.wav", "two\nlines")]


def test_cells_keep_the_types_that_excel_gave_them(write: Write, read: Read) -> None:
    day, moment = datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, 5)
    write(
        Calls=[
            ["id", "n", "score", "ok", "day", "moment", "at", "length", "mixed", "nothing"],
            ["007", 1, 0.5, True, (day, DAY), (moment, MOMENT), (datetime.time(8, 30), TIME), (1.5, DURATION), 5],
            ["2024-01-02", -3, 2, False, None, (day, MOMENT), None, None, "x"],
        ]
    )
    table = read()
    assert columns(table) == {
        "id": "string",
        "n": "int64",
        "score": "double",
        "ok": "bool",
        "day": "date32[day]",
        "moment": "timestamp[us]",
        "at": "string",
        "length": "string",
        "mixed": "string",
        "nothing": "string",
    }
    assert rows(table) == [
        ("007", 1, 0.5, True, day.date(), moment, "08:30:00", "36:00:00", "5", None),
        ("2024-01-02", -3, 2.0, False, None, day, None, None, "x", None),
    ]


def test_text_and_audio_path_are_text_whatever_is_in_them(write: Write, read: Read) -> None:
    write(Calls=[["audio_path", "Text"], [1, 5], [2, 0.25], [3, (datetime.date(2024, 1, 2), DAY)]])
    table = read()
    assert rows(table) == [("1", "5"), ("2", "0.25"), ("3", "2024-01-02")]


def test_numbers_with_more_digits_than_excel_keeps_are_no_whole_numbers(write: Write, read: Read) -> None:
    write(Calls=[["n"], [10**15], [1]])
    table = read()
    assert columns(table) == {"n": "double"}


def test_empty_cells_are_null_and_empty_rows_and_columns_left_out(write: Write, read: Read) -> None:
    write(
        Calls=[
            [],
            [],
            [None, None, "a", None, "b"],
            [],
            [None, None, 1],
            [None, None, " ", None, "  "],
            ["", "", 2, "", "x"],
        ]
    )
    table = read()
    assert table.num_rows == 2
    assert rows(table) == [(1, None), (2, "x")]


def test_a_column_without_a_name_that_holds_something_gets_one(write: Write, read: Read) -> None:
    write(Calls=[[None, "audio_path", "text"], [0, "a.wav", "one"], [1, "b.wav", "two"]])
    table = read()
    assert columns(table) == {"column1": "int64", "audio_path": "string", "text": "string"}


def test_names_of_columns_are_taken_as_they_read(write: Write, read: Read) -> None:
    write(Calls=[[2023, " audio\npath ", True], [1, "a.wav", 3]])
    table = read()
    assert list(columns(table)) == ["2023", "audio path", "true"]


def test_a_sheet_with_names_only_is_a_table_without_rows(write: Write, read: Read) -> None:
    write(Calls=[HEADER])
    table = read()
    assert table.num_rows == 0
    assert columns(table) == {"audio_path": "string", "text": "string"}


def test_a_cell_merged_over_rows_counts_in_each(write: Write, read: Read) -> None:
    def merge(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.get_worksheet_by_name("Calls")
        sheet.merge_range(1, 0, 3, 0, "Anna")
        sheet.merge_range(4, 0, 4, 1, "wide")

    write(Calls=[["speaker", "n"], [None, 1], [None, 2], [None, 3], [], [None, 5]], change=merge)
    table = read()
    assert rows(table) == [("Anna", 1), ("Anna", 2), ("Anna", 3), ("wide", None), (None, 5)]


def test_values_of_formulas_are_read(write: Write, read: Read) -> None:
    def compute(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.get_worksheet_by_name("Calls")
        sheet.write_formula("A2", "=1+1", None, 2)
        sheet.write_formula("B2", '="a"&"b"', None, "ab")

    write(Calls=[["n", "s"]], change=compute)
    table = read()
    assert rows(table) == [(2, "ab")]


def test_errors_of_formulas_are_null_and_the_first_is_named(write: Write, read: Read, notices: list[str]) -> None:
    def fail(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.get_worksheet_by_name("Calls")
        sheet.write_formula("B3", "=NA()", None, "#N/A")
        sheet.write_formula("A4", "=1/0", None, "#DIV/0!")

    write(Calls=[["n", "m"], [1, 2], [3], [None, 4]], change=fail)
    table = read()
    assert rows(table) == [(1, 2), (3, None), (None, 4)]
    assert notices == [
        "2 cells hold an error of Excel in sheet 'Calls', and NULL in the table: the first is B3 (#N/A)."
    ]


def test_formulas_that_nobody_computed_are_told(write: Write, read: Read, notices: list[str]) -> None:
    file = write(Calls=[["n", "m"], [1, 2]])
    rewrite(file, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"<v>2</v>", b"<f>A2+1</f><v></v>"))
    read()
    (told,) = notices
    assert told.startswith("1 formulas in sheet 'Calls' have no value")


def test_the_first_sheet_that_is_not_hidden_is_read_and_the_others_are_told(
    write: Write, read: Read, notices: list[str]
) -> None:
    def hide(workbook: xlsxwriter.Workbook) -> None:
        workbook.get_worksheet_by_name("Notes").hide()
        workbook.get_worksheet_by_name("March").set_first_sheet()
        workbook.get_worksheet_by_name("March").activate()

    write(Notes=[["x"], [1]], March=[["m"], [3]], April=[["a"], [4]], change=hide)
    table = read()
    assert rows(table) == [(3,)]
    assert notices == ["The sheet 'March' is read, the first one; others: 'April'. OPTIONS (sheet='…') names one."]


@pytest.mark.parametrize("name", ["April", " april ", "Notes"])
def test_a_sheet_is_read_by_its_name(write: Write, read: Read, notices: list[str], name: str) -> None:
    write(March=[["n"], [3]], April=[["n"], [4]], Notes=[["n"], [4]])
    assert rows(read(sheet=name)) == [(4,)]
    assert not notices


def test_a_sheet_that_is_not_there_is_told_with_the_nearest(write: Write, read: Read) -> None:
    write(March=[["n"]], April=[["n"]])
    with pytest.raises(InvalidOption, match=r"there is no sheet 'Apirl' in 'calls.xlsx'") as raised:
        read(sheet="Apirl")
    assert raised.value.hint == "Did you mean 'April'?"


def test_a_sheet_of_something_else_makes_no_sense(load: Copy, workspace: Path, copy: Copy) -> None:
    (workspace / "calls.csv").write_text("a\n1\n")
    with pytest.raises(InvalidOption, match=r"sheet='x' has no meaning for 'calls.csv'"):
        copy("calls.csv", sheet="x")


def test_a_title_above_the_names_is_refused(write: Write, read: Read) -> None:
    write(Calls=[["Calls of March"], [], HEADER, ["a.wav", "one"]])
    with pytest.raises(DataError, match=r"row 1 of sheet 'Calls' of 'calls.xlsx' names one column only") as raised:
        read()
    assert "delete the title" in raised.value.hint


def test_rows_without_names_are_refused(write: Write, read: Read) -> None:
    write(Calls=[["a.wav", "one"], ["b.wav", "two"]])
    with pytest.raises(DataError, match=r"'a.wav' is a recording"):
        read()


def test_names_that_come_twice_are_refused(write: Write, read: Read) -> None:
    write(Calls=[["a", "b", "A"], [1, 2, 3]])
    with pytest.raises(DataError, match="more than one column 'a'"):
        read()


def test_an_empty_sheet_is_refused(write: Write, read: Read) -> None:
    write(Calls=[], Other=[["a"]])
    with pytest.raises(DataError, match=r"sheet 'Calls' of 'calls.xlsx' is empty"):
        read()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"audio_path,text\n", "is no Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel workbook"),
        (b"PK\x03\x04 and no more", "no workbook that can be read"),
    ],
)
def test_what_is_no_workbook_is_refused(workspace: Path, read: Read, content: bytes, says: str) -> None:
    (workspace / "calls.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read()


def test_a_zip_archive_of_something_else_is_refused(workspace: Path, read: Read) -> None:
    with zipfile.ZipFile(workspace / "calls.xlsx", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(DataError, match="no workbook that can be read"):
        read()


def test_a_workbook_that_is_cut_off_is_refused(write: Write, read: Read) -> None:
    file = write(Calls=[HEADER, *(["a.wav", str(i)] for i in range(200))])
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match="no workbook that can be read"):
        read()


@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsb"])
def test_other_kinds_of_workbooks_are_refused_with_what_to_do(load: Copy, suffix: str) -> None:
    with pytest.raises(NotSupported) as raised:
        load(b"x", f"calls{suffix}")
    assert "Save it as .xlsx" in raised.value.hint


def test_a_forgotten_cell_far_out_is_found_before_it_takes_all_memory(write: Write, read: Read) -> None:
    def forget(workbook: xlsxwriter.Workbook) -> None:
        workbook.get_worksheet_by_name("Calls").write(1_048_575, 16_383, "forgotten")

    write(Calls=[HEADER, ["a.wav", "one"]], change=forget)
    with pytest.raises(DataError, match=r"there are 17,179,869,184, over 10,000,000"):
        read()


def test_a_sheet_that_unpacks_to_more_than_memory_holds_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(Calls=[HEADER, *(["a.wav", "x" * 1_000] for _ in range(200))])
    monkeypatch.setattr(sheet_parts, "LARGEST_BYTES", 10_000)
    with pytest.raises(DataError, match="is too large to be read as a workbook"):
        list(sheet_parts.check_sheet(file, "calls.xlsx", "Calls", lambda: 0.0))


def test_a_workbook_that_announces_more_than_there_is_memory_for_ends_its_own_reader_only(
    write: Write, copy: Copy
) -> None:
    file = write(Calls=[HEADER, ["a.wav", "one"]])
    rewrite(
        file, "xl/sharedStrings.xml", lambda xml: re.sub(rb'uniqueCount="\d+"', b'uniqueCount="2999999999993"', xml)
    )
    with pytest.raises(DataError, match="it announces more than it holds"):
        copy("calls.xlsx")


def test_cells_that_do_not_say_where_they_stand_are_refused(write: Write, read: Read) -> None:
    file = write(Calls=[["a"], [1]])
    rewrite(file, "xl/worksheets/sheet1.xml", lambda xml: re.sub(rb'<c r="[A-Z0-9]+"', b"<c", xml))
    with pytest.raises(DataError, match="do not say where they stand"):
        read()


def test_a_sheet_is_appended_by_the_names_of_its_columns(write: Write, load: Copy, copy: Copy, rows_of: Rows) -> None:
    load("id,score,day,n\n007,0.5,2024-01-02,1\n")
    write(Calls=[["n", "DAY", "score", "id"], [2.0, (datetime.date(2024, 3, 4), DAY), 0.1234567890123456, 8]])
    copy("calls.xlsx", if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [
        ("007", 0.5, datetime.date(2024, 1, 2), 1),
        ("8", 0.1234567890123456, datetime.date(2024, 3, 4), 2),
    ]


@pytest.mark.parametrize("wrong", ["many", 2.5])
def test_a_cell_that_does_not_fit_the_table_is_named(
    write: Write, load: Copy, copy: Copy, rows_of: Rows, wrong: object
) -> None:
    load("text,n\none,1\n")
    write(Calls=[["text", "n"], [], ["two", 2], ["three", wrong]])
    with pytest.raises(DataError, match=r"column 'n' of the table is bigint, and 1 of its 2 cells .* are not; B4 is"):
        copy("calls.xlsx", if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [("one", 1)]


def test_a_sheet_with_other_columns_is_not_appended(write: Write, load: Copy, copy: Copy) -> None:
    load("text,n\none,1\n")
    write(Calls=[["text", "m"], ["two", 2]])
    with pytest.raises(DataError, match=r"'calls.xlsx' lacks n; the table lacks m"):
        copy("calls.xlsx", if_exists=IfExists.APPEND)


def test_thousands_of_rows_are_read_in_batches(write: Write, read: Read) -> None:
    write(Calls=[["n", "text"], *([i, f"row {i}"] for i in range(25_000))])
    assert rows(read()) == [(i, f"row {i}") for i in range(25_000)]
