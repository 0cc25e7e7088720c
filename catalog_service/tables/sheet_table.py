"""Makes a table of the cells of a sheet.

The first row that holds anything names the columns. Empty rows are left out, and columns in which there is nothing at
all. A cell that is merged over several rows counts in each of them; one that is merged over several columns stands in
the first. Types: see `catalog_service.tables.sheet_values`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from python_calamine import CalamineSheet

from catalog_service.column_types import name_columns, repeated_names
from catalog_service.tables.found_recordings import SUFFIXES
from catalog_service.tables.pace import Clock, Pace
from catalog_service.tables.sheet_values import Cell, choose_sheet_type, form_of, text_of, to_array
from thanosql.errors import DataError
from thanosql.types import Progress

ROW = "row of the sheet"
"""Where rows are appended, a column beside those of the sheet: the row, from 0."""

_BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class SheetTable:
    """What was read of a sheet."""

    sheet: str
    """Its name."""
    names: list[str]
    """Of its columns, in their order."""
    places: list[int]
    """Column of the sheet, from 0, of each name."""
    rows: pa.Table
    """The columns under their names; where they are appended, all as text, and the row's number besides."""


class SheetReading:
    """Goes through a sheet twice: for the types of its columns, and for their values.

    Args:
        path: Of the workbook, as the user calls it.
        sheet: The cells.
        exact: None: the columns get types. Else they are all text, since the rows are appended, and the columns of
            these names (case-folded) have all the digits of their numbers, which become numbers again.
        clock: For the progress.
    """

    def __init__(self, path: str, sheet: CalamineSheet, exact: Collection[str] | None, clock: Clock) -> None:
        self._path, self._sheet, self._exact, self._clock = path, sheet, exact, clock
        self._row, self._column = sheet.start or (0, 0)

    def read(self) -> Generator[Progress, None, SheetTable]:
        """The whole sheet as a table."""
        header: tuple[int, list[Cell]] | None = None
        forms: list[set[str]] = [set() for _ in range(self._sheet.width)]
        count = 0
        pace = Pace("find types", "rows", self._sheet.height, self._clock)
        for row, cells in self._rows():
            if header is None:
                header = row, cells
                continue
            count += 1
            for seen, cell in zip(forms, cells, strict=True):
                form = form_of(cell)
                if form is not None:
                    seen.add(form)
            yield from pace.report(row)
        if header is None:
            raise DataError(
                f"sheet {self._sheet.name!r} of {self._path!r} is empty",
                hint="Its first row must name the columns, such as audio_path and text.",
            )
        names = self._name_columns(*header, forms)
        types = {place: choose_sheet_type(name, frozenset(forms[place])) for place, name in names.items()}
        return (yield from self._convert(header[0], names, types, count))

    def _rows(self) -> Iterator[tuple[int, list[Cell]]]:
        """The rows that hold anything, with their numbers in the sheet, from 0."""
        merged: dict[int, tuple[int, Cell]] = {}
        begins = {first: last[0] for first, last in self._sheet.merged_cell_ranges or () if last[0] > first[0]}
        columns = {column - self._column for _, column in begins}
        for row, cells in enumerate(self._sheet.iter_rows(), self._row):
            for column in columns:
                if 0 <= column < len(cells):
                    last = begins.get((row, column + self._column))
                    if last is not None:
                        merged[column] = last, cells[column]
                    elif column in merged and row <= merged[column][0]:
                        cells[column] = merged[column][1]
            if any(form_of(cell) is not None for cell in cells):
                yield row, cells

    def _name_columns(self, row: int, header: list[Cell], forms: Sequence[set[str]]) -> dict[int, str]:
        """The name of each column that has one or holds anything, by its place among the cells."""
        texts = [" ".join((text_of(cell) or "").split()) for cell in header]
        named = [place for place, text in enumerate(texts) if text]
        unnamed = [place for place, seen in enumerate(forms) if seen and place not in named]
        at = f"row {row + 1} of sheet {self._sheet.name!r} of {self._path!r}"
        if len(named) == 1 and unnamed:
            raise DataError(
                f"{at} names one column only, {texts[named[0]]!r}, and the rows below it fill others",
                hint="The first row that holds anything must name the columns: delete the title above them, "
                "or name the others too.",
            )
        recording = next((text for text in texts if text.lower().endswith(SUFFIXES)), None)
        if recording is not None:
            raise DataError(
                f"{at} does not name the columns: {recording!r} is a recording",
                hint="Put a row with the names of the columns above it, such as audio_path and text.",
            )
        names = {place: name for place, name in enumerate(name_columns(texts)) if texts[place] or forms[place]}
        repeated = repeated_names(list(names.values()))
        if repeated:
            raise DataError(
                f"{at} has more than one column {', '.join(map(repr, repeated))}",
                hint="Names of columns must differ, and not only in the case of their letters.",
            )
        return names

    def _convert(
        self, header: int, names: dict[int, str], types: dict[int, str], count: int
    ) -> Generator[Progress, None, SheetTable]:
        batches: list[pa.RecordBatch] = []
        rows: list[int] = []
        columns: dict[int, list[Cell]] = {place: [] for place in names}
        done = 0
        pace = Pace("read cells", "rows", count, self._clock)

        def flush() -> None:
            arrays: dict[str, pa.Array[Any]] = {}
            for place, name in names.items():
                cells = columns[place]
                if self._exact is not None:
                    texts = [text_of(cell, exact=name.casefold() in self._exact) for cell in cells]
                    arrays[name] = pa.array(texts, pa.string())
                else:
                    arrays[name] = to_array(cells, types[place])
                columns[place] = []
            if self._exact is not None:
                arrays[ROW] = pa.array(rows, pa.int32())
            batches.append(pa.RecordBatch.from_pydict(arrays))
            rows.clear()

        for row, cells in self._rows():
            if row == header:
                continue
            rows.append(row)
            for place, column in columns.items():
                column.append(cells[place])
            done += 1
            if len(rows) == _BATCH_ROWS:
                flush()
            yield from pace.report(done)
        flush()
        places = [self._column + place for place in names]
        return SheetTable(self._sheet.name, list(names.values()), places, pa.Table.from_batches(batches))
