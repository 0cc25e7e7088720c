"""The rows of a query, kept while they are worked on: in memory while they are few, then in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa

from query_service.running.arrow import read_rows, to_rows
from thanosql.types import Rows

IN_MEMORY = 16 << 20
"""Bytes beyond which the rows go to a file."""


class RowSpool:
    """Record batches, written once and read in the same order as often as one likes."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed by __exit__)
        self._lengths: list[int] = []
        self.rows = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Adds a batch at the end."""
        data = to_rows(batch).ipc
        self._file.seek(0, 2)
        self._file.write(data)
        self._lengths.append(len(data))
        self.rows += batch.num_rows

    def read(self) -> Iterator[Rows]:
        """What was added, in order."""
        at = 0
        for length in self._lengths:
            self._file.seek(at)
            at += length
            yield Rows(self._file.read(length))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """What was added, in order, as batches."""
        for rows in self.read():
            yield from read_rows(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
