"""Reads csv and tsv files.

The first line names the columns. The separator is the first of comma, semicolon, tab and bar that
occurs in it (in a .tsv file tab is tried first). Fields may stand in double quotes and then hold
separators, line breaks and doubled quotes. Types: see `catalog_service.column_types`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb

from catalog_service.catalog import match_columns
from catalog_service.column_types import FORMS, NEEDS_CAST, TEXT, choose_type, name_columns, repeated_names
from catalog_service.tables.csv_faults import find_fault
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

_SAMPLE_ROWS = 10_000

_AUDIO = re.compile(r".*\.(wav|flac|mp3|ogg|opus|aiff?)", re.IGNORECASE)


def read_delimited(separators: str) -> Prepare:
    """A reader of text files whose separator is the first of `separators` that the header line has."""
    return partial(_prepare, separators)


def _prepare(separators: str, connection: Connection, file: File) -> Generator[Progress, None, Selection]:
    yield from check_text(file.place, file.path, file.clock)
    header = _read_header(file, separators)
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


def _select(connection: Connection, file: File, header: _Header, strict: bool) -> Generator[Progress, None, Selection]:
    source = header.source(file, strict)
    if file.append_to is None:
        types, rows = yield from _decide_types(connection, file, header.names, source)
    else:
        columns = match_columns(file.append_to, header.names, file.path)
        types, rows = yield from _check_types(connection, file, columns, source)
    fields = ", ".join(_convert(name, kind) for name, kind in zip(header.names, types, strict=True))
    return Selection(f"SELECT {fields} FROM {source}", rows)


def _decide_types(
    connection: Connection, file: File, names: Sequence[str], source: str
) -> Generator[Progress, None, tuple[list[str], int]]:
    # One text makes a column text: most are found out in the first rows, and need no test in the others.
    sample = f"(FROM {source} LIMIT {_SAMPLE_ROWS})"
    _, forms = yield from _find_forms(connection, file, names, sample)
    rows, open_forms = yield from _find_forms(connection, file, [n for n in names if TEXT not in forms[n]], source)
    return [choose_type(name, (forms | open_forms)[name]) for name in names], rows


def _find_forms(
    connection: Connection, file: File, names: Sequence[str], source: str
) -> Generator[Progress, None, tuple[int, dict[str, frozenset[str]]]]:
    """How many rows there are, and the forms that occur in the columns `names`."""
    fields = "".join(f", bit_or({_form_bit(name)})" for name in names)
    (answer,) = yield from fetch_with_progress(connection, f"SELECT count(*){fields} FROM {source}", file, "find types")
    rows, *bits = answer
    return rows, {name: _forms_in(bit) for name, bit in zip(names, bits, strict=True)}


_TEXT_BIT = 1 << len(FORMS)

# Most texts are found out by their first letter, which spares them the other tests.
_MAYBE = r"(?i:[-0-9][-+.:0-9ETZ ]*|true|false)"


def _form_bit(name: str) -> str:
    """An expression that is one bit for the form of a value, by its place in FORMS; NULL for an empty one."""
    value = quoted(name)
    if choose_type(name, frozenset({"bigint"})) == TEXT:
        return f"CASE WHEN {value} IS NOT NULL THEN {_TEXT_BIT} END"
    tests = []
    for place, (kind, form) in enumerate(FORMS.items()):
        test = f"regexp_full_match({value}, {literal(form)})"
        if kind in NEEDS_CAST:
            test += f" AND try_cast({value} AS {kind}) IS NOT NULL"
        tests.append(f"WHEN {test} THEN {1 << place}")
    return (
        f"CASE WHEN {value} IS NULL OR {value} = '' THEN NULL "
        f"WHEN NOT regexp_full_match({value}, {literal(_MAYBE)}) THEN {_TEXT_BIT} "
        f"{' '.join(tests)} ELSE {_TEXT_BIT} END"
    )


def _forms_in(bits: int | None) -> frozenset[str]:
    return frozenset(kind for place, kind in enumerate([*FORMS, TEXT]) if (bits or 0) >> place & 1)


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
