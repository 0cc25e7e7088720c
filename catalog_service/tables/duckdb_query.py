"""One query over the tables of a DuckDB store, which streams its rows and can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from catalog_service.tables.duckdb_errors import to_query_error
from catalog_service.tables.query_guard import check_query
from catalog_service.tables.record_batches import split
from thanosql.errors import Cancelled, DataError

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore

BATCH_ROWS = 16_384
"""Rows that DuckDB hands over at once; large batches are split, small ones cost time for each message."""


class DuckDBQuery:
    """One query; see `catalog_service.tables.store.Query`."""

    def __init__(self, store: DuckDBStore, sql: str) -> None:
        self._store = store
        self._sql = sql
        self._lock = threading.Lock()
        self._cancelled = False
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches of at most a few MiB; at least one batch."""
        try:
            with self._open_cursor() as cursor:
                yield from self._run(cursor)
        except (duckdb.Error, OSError) as error:
            ours = to_query_error(error, [table.name for table in self._store.tables()])
            if ours is None:
                raise
            raise ours from error

    def cancel(self) -> None:
        """Stops the query, from any thread; does nothing to one that has ended."""
        with self._lock:
            self._cancelled = True
            if self._cursor is not None:
                self._cursor.interrupt()

    def _run(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        check_query(cursor.execute("SELECT json_serialize_sql(?)", [self._sql]).fetchall()[0][0])
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        self._raise_if_cancelled()
        result = cursor.sql(self._sql)
        wide = [n for n, kind in enumerate(result.types) if str(kind) in ("HUGEINT", "UHUGEINT")]
        reader = result.to_arrow_reader(BATCH_ROWS)
        empty = True
        for batch in reader:
            self._raise_if_cancelled()
            if batch.num_rows:
                empty = False
                yield from split(_narrow(batch, wide))
        if empty:
            yield _narrow(pa.RecordBatch.from_pylist([], schema=reader.schema), wide)

    @contextmanager
    def _open_cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that `cancel` can interrupt while the block lasts."""
        with self._store.running(self) as cursor:
            with self._lock:
                self._cursor = cursor
            try:
                yield cursor
            finally:
                with self._lock:
                    self._cursor = None

    def _raise_if_cancelled(self) -> None:
        if self._cancelled:
            raise Cancelled("the query was cancelled")


def _narrow(batch: pa.RecordBatch, wide: list[int]) -> pa.RecordBatch:
    """DuckDB's 128-bit integers (a sum of bigint) as int64.

    They travel as decimal128, which pandas makes Python objects of.

    Raises:
        DataError: a value does not fit.
    """
    for n in wide:
        name = batch.schema.field(n).name
        try:
            values = batch.column(n).cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise DataError(
                f"a value of column {name!r} is too large for bigint", hint="Cast it: sum(x::double precision)."
            ) from error
        batch = batch.set_column(n, name, values)
    return batch
