"""Inserts a stream of rows into a DuckDB table with one statement, while its reader reads on.

An INSERT for each batch would have one thread compress it while the reader waits; one INSERT for all of them has
every thread compress what came, and keeps the order of the rows.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from catalog_service.tables.duckdb_rows import offered
from catalog_service.tables.reading import quoted
from catalog_service.tables.record_batches import split
from catalog_service.tables.store import Insert

_PART_BYTES = 16 * 1024 * 1024
_WAITING_PARTS = 4
_LOOK_SECONDS = 0.1


class _AbandonedError(Exception):
    """The rows will not all come."""


@contextmanager
def inserting(cursor: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema) -> Iterator[Insert]:
    """What inserts rows; all of them are in the table when the block has ended well.

    Args:
        cursor: It has a transaction, which is rolled back when the block raises. Nobody else uses it meanwhile.
        table: As SQL writes it.
        schema: Of the rows; the columns are those of the table, by name.

    Raises:
        duckdb.Error: the rows do not fit, or the disk is full; from the block's next insertion, or at its end.
    """
    stream = _Stream(cursor, table, schema)
    try:
        yield stream.insert
        stream.finish()
    except BaseException:
        stream.abandon()
        raise


class _Stream:
    def __init__(self, cursor: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema) -> None:
        self._cursor, self._table, self._schema = cursor, table, schema
        self._parts: queue.Queue[pa.RecordBatch | None] = queue.Queue(_WAITING_PARTS)
        self._abandoned = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def insert(self, batch: pa.RecordBatch) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="insert-rows")
            self._thread.start()
        for part in split(batch, _PART_BYTES):
            self._send(part)

    def finish(self) -> None:
        if self._thread is None:
            return
        self._send(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        self._abandoned.set()
        while self._thread is not None and self._thread.is_alive():
            self._cursor.interrupt()
            with suppress(queue.Full):
                self._parts.put_nowait(None)
            self._thread.join(_LOOK_SECONDS)

    def _send(self, part: pa.RecordBatch | None) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            try:
                self._parts.put(part, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        columns = ", ".join(quoted(name) for name in self._schema.names)
        try:
            reader = pa.RecordBatchReader.from_batches(self._schema, self._sent())
            with offered(self._cursor, reader) as incoming:
                self._cursor.execute(f"INSERT INTO {self._table} ({columns}) FROM {incoming}").fetchall()
        except BaseException as error:
            self._failure = error

    def _sent(self) -> Iterator[pa.RecordBatch]:
        while (part := self._parts.get()) is not None:
            yield part
        if self._abandoned.is_set():
            raise _AbandonedError
