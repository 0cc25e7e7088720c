"""Rows of a result as they come: out of Arrow batches, one after the other, so that few are held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_ROWS = 4_096
"""Rows that are Python objects at a time; the rest of a batch stays in Arrow's form."""


class RowReader:
    """Reads batches row by row, or as batches from where the last row was.

    Args:
        schema: Of the batches.
        batches: Each in its turn; nothing is taken before it is asked for.
    """

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches
        self._batch: pa.RecordBatch | None = None
        self._at = 0
        """The row of the batch that comes next."""
        self._rows = self._read()

    def take(self, count: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, `count` at most, or all."""
        return list(islice(self._rows, count))

    def take_batches(self) -> Iterator[pa.RecordBatch]:
        """The rest, in Arrow's form."""
        if self._batch is not None:
            rest, self._batch = self._batch.slice(self._at), None
            if rest.num_rows:
                yield rest
        yield from self._batches

    def _read(self) -> Iterator[tuple[Any, ...]]:
        for batch in self._batches:
            self._batch, self._at = batch, 0
            while self._batch is not None and self._at < self._batch.num_rows:
                part = self._batch.slice(self._at, SLICE_ROWS)
                start = self._at
                for number, row in enumerate(zip(*map(read_values, part.columns), strict=True), 1):
                    self._at = start + number
                    yield row
                    if self._batch is None:  # the rest was taken in Arrow's form
                        return
        self._batch = None


def read_values(column: pa.Array[Any]) -> list[Any]:
    """A column as Python's objects; numbers and texts by way of numpy, which is ten times as fast."""
    import pyarrow.types as t

    kind = column.type
    is_number = t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind)
    if t.is_string(kind) or t.is_large_string(kind) or (is_number and not column.null_count):
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    return list(column.to_pylist())
