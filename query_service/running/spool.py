"""The rows of a query, kept while they are worked on: in memory while they are few, then in a temporary file."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa

from query_service.running.arrow import count_rows, read_rows, to_rows
from thanosql.types import Rows

IN_MEMORY = 16 << 20
"""Bytes beyond which the rows go to a file."""


class RowSpool:
    """Record batches, written once and read in the same order as often as one likes, also from several threads."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed by `close`)
        self._lock = threading.Lock()
        self._lengths: list[int] = []
        self.rows = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Adds a batch at the end."""
        self._write(to_rows(batch).ipc, batch.num_rows)

    def add(self, rows: Rows) -> None:
        """Adds rows at the end, as they are."""
        self._write(rows.ipc, count_rows(rows))

    def read(self) -> Iterator[Rows]:
        """What was added, in order; ends early when the spool is closed."""
        at = 0
        for length in self._lengths:
            with self._lock:
                if self._file.closed:
                    return
                self._file.seek(at)
                data = self._file.read(length)
            at += length
            yield Rows(data)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """What was added, in order, as batches."""
        for rows in self.read():
            yield from read_rows(rows)

    def close(self) -> None:
        """Forgets the rows."""
        with self._lock:
            self._file.close()

    def _write(self, data: bytes, rows: int) -> None:
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(data)
            self._lengths.append(len(data))
            self.rows += rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
