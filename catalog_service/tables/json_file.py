"""Reads JSON lines: one object on each line (an array of objects is taken too).

Numbers and true/false keep their types, everything else is text: strings as they are, nested
objects and lists as JSON. A key that a line lacks is NULL.
"""

from __future__ import annotations

import json
from collections.abc import Generator

import duckdb

from catalog_service.column_types import ALWAYS_TEXT, repeated_names
from catalog_service.tables.columnar_file import select_columns
from catalog_service.tables.csv_file import unreadable
from catalog_service.tables.reading import (
    Connection,
    File,
    Selection,
    fetch_with_progress,
    file_literal,
    struct_literal,
)
from catalog_service.tables.text_file import check_text
from thanosql.errors import DataError
from thanosql.types import Progress

_KEPT = {"BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN", "HUGEINT": "VARCHAR", "UBIGINT": "VARCHAR"}


def prepare_json(connection: Connection, file: File) -> Generator[Progress, None, Selection]:
    """See `catalog_service.tables.reading.Prepare`."""
    yield from check_text(file.place, file.path, file.clock)
    _check_objects(file)
    place = file_literal(file.place)
    try:
        found = yield from fetch_with_progress(
            connection,
            f"SELECT column_name, column_type FROM "
            f"(DESCRIBE FROM read_json({place}, format = 'auto', maximum_depth = 2, sample_size = -1))",
            file,
            "find types",
        )
        types = [
            (name, "VARCHAR" if name.casefold() in ALWAYS_TEXT else _KEPT.get(kind, "VARCHAR")) for name, kind in found
        ]
        source = f"read_json({place}, format = 'auto', columns = {struct_literal(types)})"
        # Each value is counted, so that each is read.
        checked = f"SELECT count(*), count(COLUMNS(*)) FROM {source}"
        ((rows, *_),) = yield from fetch_with_progress(connection, checked, file, "check")
    except duckdb.Error as error:
        raise _find_fault(file) or unreadable(error, file) from error
    return Selection(select_columns(file, [name for name, _ in types], source), rows)


def _check_objects(file: File) -> None:
    with file.place.open(encoding="utf-8-sig") as content:
        head = content.read(65_536).lstrip()
    if not head.startswith("{") and not head.removeprefix("[").lstrip().startswith("{"):
        raise DataError(
            f"{file.path!r} holds no JSON objects",
            hint='Each line must be an object, such as {"audio_path": "a.wav", "text": "hello"}.',
        )


def _find_fault(file: File) -> DataError | None:
    """The first line that is not JSON, of a file that begins as JSON lines."""
    with file.place.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line, object_pairs_hook=list)
            except ValueError as error:
                if number == 1:  # not one object on a line: an array, or objects over several lines
                    return None
                return DataError(
                    f"line {number} of {file.path!r} is not JSON: {error}", hint="Each line must be one JSON object."
                )
            repeated = repeated_names([name for name, _ in value]) if line.lstrip().startswith("{") else []
            if repeated:
                return DataError(
                    f"line {number} of {file.path!r} has the key {repeated[0]!r} more than once",
                    hint="Keys of an object must differ, and not only in the case of their letters.",
                )
    return None
