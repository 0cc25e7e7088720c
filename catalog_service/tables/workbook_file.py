"""Reads a sheet of an Excel workbook (.xlsx).

Of the workbook's sheets the first that is not hidden is read, or the one that OPTIONS (sheet='…') names. Its rows: see
`catalog_service.tables.sheet_table`; its types: see `catalog_service.tables.sheet_values`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

import pyarrow as pa

from catalog_service.catalog import match_columns
from catalog_service.column_types import TEXT
from catalog_service.tables.reading import Connection, File, Selection, literal, quoted
from catalog_service.tables.sheet_process import run_sheet_process
from catalog_service.tables.sheet_table import ROW
from catalog_service.tables.sheet_task import SheetContent, SheetTask
from catalog_service.tables.sheet_values import cell_name
from thanosql.errors import DataError
from thanosql.types import Column, Notice, Progress

_RELATION = "sheet_rows"
_WHOLE = ("smallint", "integer", "bigint")


def prepare_workbook(connection: Connection, file: File) -> Generator[Progress | Notice, None, Selection]:
    """See `catalog_service.tables.reading.Prepare`."""
    table = file.append_to
    exact = None
    if table is not None:
        exact = tuple(column.name.casefold() for column in table.columns if column.type != TEXT)
    with tempfile.TemporaryDirectory(prefix="sheet-") as folder:
        output = Path(folder) / "rows.arrow"
        content = yield from run_sheet_process(SheetTask(file.place, file.path, file.sheet, exact, output))
        with pa.memory_map(str(output)) as source:
            rows = pa.ipc.open_file(source).read_all()
    # The file is gone by its name only: what is mapped stays until the rows are let go.
    connection.register(_RELATION, rows)
    if table is None:
        fields = ", ".join(map(quoted, content.names))
    else:
        matched = match_columns(table, content.names, file.path)
        _check_types(connection, file, content, matched)
        fields = ", ".join(f"CAST({quoted(n)} AS {column.type}) AS {quoted(n)}" for n, column in matched.items())
    return Selection(f"SELECT {fields} FROM {_RELATION}", content.rows)


def _check_types(connection: Connection, file: File, content: SheetContent, columns: dict[str, Column]) -> None:
    """Whether each cell is of the type of its column in the table that is appended to.

    Raises:
        DataError: one is not.
    """
    for name, place in zip(content.names, content.places, strict=True):
        kind = columns[name].type
        if kind == TEXT:
            continue
        value = quoted(name)
        bad = f"try_cast({value} AS {kind}) IS NULL"
        if kind in _WHOLE:  # a cast would round
            bad += f" OR NOT regexp_full_match({value}, {literal('[-+]?[0-9]+')})"
        found = connection.execute(
            f"SELECT count(*), min({quoted(ROW)}), arg_min({value}, {quoted(ROW)}) FROM {_RELATION} "
            f"WHERE {value} IS NOT NULL AND ({bad})"
        ).fetchall()
        count, row, example = found[0]
        if count:
            cell = cell_name(row, place)
            raise DataError(
                f"{file.path!r} cannot be appended: column {columns[name].name!r} of the table is {kind}, and "
                f"{count} of its {content.rows} cells in sheet {content.sheet!r} are not; {cell} is {example!r}",
                hint="Mend the cells, or load the sheet into a table of its own.",
            )
