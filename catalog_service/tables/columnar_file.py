"""Reads Parquet files, which bring their types with them."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import duckdb

from catalog_service.catalog import match_columns
from catalog_service.column_types import ALWAYS_TEXT, repeated_names
from catalog_service.tables.csv_file import unreadable
from catalog_service.tables.reading import Connection, File, Selection, fetch_with_progress, file_literal, quoted
from thanosql.errors import DataError
from thanosql.types import Progress

_MAGIC = b"PAR1"


def prepare_parquet(connection: Connection, file: File) -> Generator[Progress, None, Selection]:
    """See `catalog_service.tables.reading.Prepare`."""
    _check_magic(file)
    source = f"read_parquet({file_literal(file.place)})"
    try:
        found = yield from fetch_with_progress(
            connection, f"SELECT column_name FROM (DESCRIBE FROM {source})", file, "check"
        )
        ((rows,),) = yield from fetch_with_progress(connection, f"SELECT count(*) FROM {source}", file, "check")
    except duckdb.Error as error:
        raise unreadable(error, file) from error
    names = [name for (name,) in found]
    repeated = repeated_names(names)
    if repeated:
        raise DataError(
            f"{file.path!r} has more than one column {', '.join(map(repr, repeated))}",
            hint="Names of columns must differ, and not only in the case of their letters.",
        )
    return Selection(select_columns(file, names, source), rows)


def select_columns(file: File, names: Sequence[str], source: str) -> str:
    """The query for the columns of a typed file, as the table that it is appended to has them.

    Raises:
        DataError: the table has other columns.
    """
    types = {name: "text" for name in names if name.casefold() in ALWAYS_TEXT}
    if file.append_to is not None:
        types = {name: column.type for name, column in match_columns(file.append_to, names, file.path).items()}
    fields = ", ".join(
        f"CAST({quoted(name)} AS {types[name]}) AS {quoted(name)}" if name in types else quoted(name) for name in names
    )
    return f"SELECT {fields} FROM {source}"


def _check_magic(file: File) -> None:
    size = file.place.stat().st_size
    if size == 0:
        raise DataError(f"{file.path!r} is empty", hint="It has 0 bytes. Was it written to the end?")
    with file.place.open("rb") as content:
        head = content.read(4)
        content.seek(max(0, size - 4))
        tail = content.read(4)
    if head != _MAGIC:
        raise DataError(f"{file.path!r} is not a Parquet file", hint="COPY goes by the suffix: a text table is .csv.")
    if tail != _MAGIC:
        raise DataError(f"{file.path!r} is cut off: a Parquet file ends as it begins", hint="Copy or write it again.")
