"""Reads csv and tsv files.

The first line names the columns. The separator is the first of comma, semicolon, tab and bar that
occurs in it (in a .tsv file tab is tried first). Fields may stand in double quotes and then hold
separators, line breaks and doubled quotes. Types: see `catalog_service.column_types`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

import duckdb

from catalog_service.catalog import match_columns
from catalog_service.column_types import TEXT, choose_type, name_columns, repeated_names
from catalog_service.tables.csv_faults import find_fault
from catalog_service.tables.csv_forms import borne_out, decide_types, sample_forms
from catalog_service.tables.duckdb_errors import out_of_memory, split_message
from catalog_service.tables.reading import (
    Connection,
    File,
    Prepare,
    Selection,
    fetch_with_progress,
    file_literal,
    literal,
    quoted,
    struct_literal,
)
from catalog_service.tables.text_file import check_text
from thanosql.errors import DataError, ThanoSQLError
from thanosql.types import Column, Progress

_AUDIO = re.compile(r".*\.(wav|flac|mp3|ogg|opus|aiff?)", re.IGNORECASE)


def read_delimited(separators: str) -> Prepare:
    """A reader of text files whose separator is the first of `separators` that the header line has."""
    return partial(_prepare, separators)


def _prepare(separators: str, connection: Connection, file: File) -> Generator[Progress, None, Selection]:
    lines = yield from check_text(file.place, file.path, file.clock)
    header = _read_header(file, separators)
    careful = partial(_prepare_carefully, connection, file, header)
    try:
        return (yield from _guess(connection, file, header, lines, careful))
    except duckdb.Error:
        return (yield from careful())


def _prepare_carefully(connection: Connection, file: File, header: _Header) -> Generator[Progress, None, Selection]:
    """Reads the whole file before its rows are read."""
    try:
        return (yield from _select(connection, file, header, strict=True))
    except duckdb.Error as error:
        if split_message(str(error))[0] == "Out of Memory":
            raise out_of_memory() from error
        fault = find_fault(file.place, file.path, header.separator, header.names)
        if fault is not None:
            raise fault from error
    # Lines that end in different ways are a fault to DuckDB's strict reader only.
    try:
        return (yield from _select(connection, file, header, strict=False))
    except duckdb.Error as error:
        raise unreadable(error, file) from error


@dataclass(frozen=True, slots=True)
class _Header:
    separator: str
    names: list[str]

    def source(self, file: File, strict: bool) -> str:
        """The table function that gives every field as text."""
        columns = struct_literal([(name, "VARCHAR") for name in self.names])
        return (
            f"read_csv({file_literal(file.place)}, auto_detect = false, header = true, "
            f"delim = {literal(self.separator)}, quote = '\"', escape = '\"', allow_quoted_nulls = false, "
            f"strict_mode = {str(strict).lower()}, columns = {columns})"
        )


def _read_header(file: File, separators: str) -> _Header:
    with file.place.open(encoding="utf-8-sig", newline="") as lines:
        first = lines.readline()
        unquoted = re.sub(r'"[^"]*"', "", first)
        separator = next((each for each in separators if each in unquoted), separators[0])
        lines.seek(0)
        try:
            fields = next(csv.reader(lines, delimiter=separator, strict=True), [])
        except csv.Error as error:
            raise DataError(
                f"the first line of {file.path!r} cannot be read: {error}",
                hint="It must name the columns, such as audio_path,text.",
            ) from error
    if not any(field.strip() for field in fields):
        raise DataError(
            f"the first line of {file.path!r} is empty", hint="It must name the columns, such as audio_path,text."
        )
    recording = next((field for field in fields if _AUDIO.fullmatch(field)), None)
    if recording is not None:
        raise DataError(
            f"the first line of {file.path!r} does not name the columns: {recording!r} is a recording",
            hint="Put a line with the names of the columns above it, such as audio_path,text.",
        )
    names = name_columns(fields)
    repeated = repeated_names(names)
    if repeated:
        raise DataError(
            f"{file.path!r} has more than one column {', '.join(map(repr, repeated))}",
            hint="Names of columns must differ, and not only in the case of their letters.",
        )
    return _Header(separator, names)


def _guess(
    connection: Connection,
    file: File,
    header: _Header,
    lines: int,
    careful: Callable[[], Generator[Progress, None, Selection]],
) -> Generator[Progress, None, Selection]:
    """Takes the first rows' types to be those of all; each row says whether it bears that out."""
    source = header.source(file, strict=True)
    if file.append_to is None:
        sample = yield from sample_forms(connection, file, header.names, source)
        types = [choose_type(name, sample[name]) for name in header.names]
        tests = [test for name in header.names if (test := borne_out(name, sample[name]))]
    else:
        types = [column.type for column in match_columns(file.append_to, header.names, file.path).values()]
        tests = []  # a value that cannot be cast says so
    fields = ", ".join(_convert(name, kind) for name, kind in zip(header.names, types, strict=True))
    return Selection(f"SELECT {fields}, {' AND '.join(tests) or 'true'} FROM {source}", lines, careful)


def _select(connection: Connection, file: File, header: _Header, strict: bool) -> Generator[Progress, None, Selection]:
    source = header.source(file, strict)
    if file.append_to is None:
        types, rows = yield from decide_types(connection, file, header.names, source)
    else:
        columns = match_columns(file.append_to, header.names, file.path)
        types, rows = yield from _check_types(connection, file, columns, source)
    fields = ", ".join(_convert(name, kind) for name, kind in zip(header.names, types, strict=True))
    return Selection(f"SELECT {fields} FROM {source}", rows)


def _check_types(
    connection: Connection, file: File, columns: dict[str, Column], source: str
) -> Generator[Progress, None, tuple[list[str], int]]:
    """The types of the table's columns, when every value of the file is one."""
    checked = {name: column for name, column in columns.items() if column.type != TEXT}
    tests = "".join(
        f", count(*) FILTER ({bad}), any_value({quoted(name)}) FILTER ({bad})"
        for name, column in checked.items()
        for bad in [
            f"WHERE nullif({quoted(name)}, '') IS NOT NULL AND try_cast({quoted(name)} AS {column.type}) IS NULL"
        ]
    )
    (answer,) = yield from fetch_with_progress(connection, f"SELECT count(*){tests} FROM {source}", file, "check types")
    rows, *found = answer
    for column, bad, example in zip(checked.values(), found[::2], found[1::2], strict=True):
        if bad:
            raise DataError(
                f"{file.path!r} cannot be appended: column {column.name!r} of the table is {column.type}, and "
                f"{bad} of {rows} values of the file are not, for example {example!r}",
                hint="Mend the values, or load the file into a table of its own.",
            )
    return [column.type for column in columns.values()], rows


def _convert(name: str, kind: str) -> str:
    value = quoted(name)
    return value if kind == TEXT else f"CAST(nullif({value}, '') AS {kind}) AS {value}"


def unreadable(error: Exception, file: File) -> ThanoSQLError:
    """The error for a file that DuckDB cannot read, in its words as far as they are for users."""
    kind, text = split_message(str(error))
    if kind == "Out of Memory":
        return out_of_memory()
    text = text.split("\nPossible")[0].replace(str(file.place), file.path).replace("\n", "; ")
    return DataError(f"{file.path!r} cannot be read: {text}", hint="Mend the file and load it again.")
