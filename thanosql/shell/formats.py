"""The formats that rows are written in: csv, json, jsonl, vertical, markdown, arrow, parquet; as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Protocol

from thanosql.errors import NotSupported
from thanosql.json_rows import as_json
from thanosql.tables import cell, is_number, visible

if TYPE_CHECKING:
    import pyarrow as pa


class Writer(Protocol):
    """Writes the rows of one result after the other. None of them is held longer than it takes."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes some rows, perhaps none; the first call tells the columns."""

    def end(self) -> None:
        """Ends a result."""


class CsvWriter:
    """Comma-separated values with a line of names; NULL is empty."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._begun = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the names, once, and the rows."""
        if not self._begun:
            self._writer.writerow(batch.schema.names)
            self._begun = True
        self._writer.writerows([plain(value) for value in row] for row in rows_of(batch))

    def end(self) -> None:
        """Has the next result begin with its names."""
        self._begun = False


class JsonWriter:
    """An array of objects, a row a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._next = ""

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes an object for each row."""
        if not self._next:
            self._file.write("[")
            self._next = "\n"
        for text in _objects(batch):
            self._file.write(self._next + text)
            self._next = ",\n"

    def end(self) -> None:
        """Closes the array."""
        if self._next:
            self._file.write("\n]\n" if self._next == ",\n" else "]\n")
        self._next = ""


class JsonLinesWriter:
    """An object a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes an object for each row."""
        self._file.writelines(text + "\n" for text in _objects(batch))

    def end(self) -> None:
        """Nothing ends a result."""


class VerticalWriter:
    """A line for each value, under a line for each row."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._row = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows, numbered."""
        from rich.cells import cell_len

        names = [visible(name) for name in batch.schema.names]
        width = max(map(cell_len, names), default=0)
        for row in rows_of(batch):
            self._row += 1
            self._file.write(f"─── row {self._row} ───\n")
            for name, value in zip(names, row, strict=True):
                shown = "NULL" if value is None else visible(str(plain(value)))
                self._file.write(f"{name}{' ' * (width - cell_len(name))}  {shown}\n".rstrip(" "))

    def end(self) -> None:
        """Has the next result begin with row 1."""
        self._row = 0


class MarkdownWriter:
    """A table of Markdown."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._results = 0
        self._begun = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the head, once, and the rows."""
        if not self._begun:
            if self._results:
                self._file.write("\n")
            self._line(batch.schema.names)
            self._file.write("".join("|---:" if is_number(each.type) else "|---" for each in batch.schema) + "|\n")
            self._begun = True
            self._results += 1
        for row in rows_of(batch):
            self._line(["NULL" if value is None else cell(value) for value in row])

    def end(self) -> None:
        """Has the next result be a table of its own."""
        self._begun = False

    def _line(self, values: Sequence[str]) -> None:
        texts = (visible(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)
        self._file.write(f"| {' | '.join(texts)} |\n")


class ArrowWriter:
    """An Arrow IPC stream."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the batch as it is."""
        if self._writer is None:
            self._writer = self.open(batch.schema)
        if batch.num_rows:
            self._writer.write_batch(batch)

    def open(self, schema: pa.Schema) -> Any:
        """What takes the batches."""
        import pyarrow as pa

        return pa.ipc.new_stream(self._file, schema)

    def end(self) -> None:
        """Ends the file, which has room for one result."""
        if self._writer is not None:
            self._writer.close()
            self._writer = _Full()


class ParquetWriter(ArrowWriter):
    """A Parquet file."""

    def open(self, schema: pa.Schema) -> Any:
        """What takes the batches."""
        import pyarrow.parquet as pq

        return pq.ParquetWriter(self._file, schema)


class _Full:
    """Takes no second result."""

    def write_batch(self, _batch: object) -> None:
        raise NotSupported(
            "a file of this format holds the rows of one statement, and two gave some",
            hint="Run them one by one, or choose csv, json or jsonl.",
        )

    def close(self) -> None:
        """There is nothing to close any more."""


TEXT_FORMATS: dict[str, Callable[[IO[str]], Writer]] = {
    "csv": CsvWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "vertical": VerticalWriter,
    "markdown": MarkdownWriter,
}
BINARY_FORMATS: dict[str, Callable[[Any], Writer]] = {"arrow": ArrowWriter, "parquet": ParquetWriter}
FORMATS = ("table", *TEXT_FORMATS, *BINARY_FORMATS)
"""All of them; a table is `thanosql.shell.output`'s matter, since its widths want all rows that it shows."""


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch, a thousand at a time in memory."""
    for start in range(0, batch.num_rows, 1000):
        part = batch.slice(start, 1000)
        yield from zip(*(column.to_pylist() for column in part.columns), strict=True)


def plain(value: Any) -> Any:
    """A value as text formats without types write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(as_json(value), ensure_ascii=False)
    return value


def _objects(batch: pa.RecordBatch) -> Iterator[str]:
    names = _distinct(batch.schema.names)
    for row in rows_of(batch):
        values = {name: as_json(value) for name, value in zip(names, row, strict=True)}
        yield json.dumps(values, ensure_ascii=False)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that there are before: an object has each once."""
    distinct: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in distinct:
            number += 1
            candidate = f"{name}_{number}"
        distinct.append(candidate)
    return distinct
