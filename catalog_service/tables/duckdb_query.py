"""One query over the tables of a DuckDB store, which streams its rows and can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from catalog_service.tables.duckdb_cursor import StoppableCursor
from catalog_service.tables.duckdb_errors import to_query_error
from catalog_service.tables.duckdb_rows import fill_relations
from catalog_service.tables.query_guard import check_query
from catalog_service.tables.record_batches import split
from catalog_service.tables.store import Relations
from thanosql.errors import DataError

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore

BATCH_ROWS = 16_384
"""Rows that DuckDB hands over at once; large batches are split, small ones cost time for each message."""


class DuckDBQuery:
    """One query; see `catalog_service.tables.store.Query`."""

    def __init__(self, store: DuckDBStore, sql: str, relations: Relations = ()) -> None:
        self._store = store
        self._sql = sql
        self._relations = relations
        self._cursor = StoppableCursor(store)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches of at most a few MiB; at least one batch."""
        try:
            with self._cursor.open() as cursor:
                yield from self._run(cursor)
        except (duckdb.Error, OSError) as error:
            ours = to_query_error(error, self._store.names())
            if ours is None:
                raise
            raise ours from error

    def cancel(self) -> None:
        """Stops the query, from any thread; does nothing to one that has ended."""
        self._cursor.cancel()

    def _run(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        check_query(serialise_query(cursor, self._sql), self._store.readable(self._relations))
        fill_relations(cursor, self._relations, self._cursor.raise_if_cancelled)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        self._cursor.raise_if_cancelled()
        result = cursor.sql(self._sql)
        wide = [n for n, kind in enumerate(result.types) if str(kind) in ("HUGEINT", "UHUGEINT")]
        reader = result.to_arrow_reader(BATCH_ROWS)
        empty = True
        for batch in reader:
            self._cursor.raise_if_cancelled()
            if batch.num_rows:
                empty = False
                yield from split(_narrow(batch, wide))
        if empty:
            yield _narrow(pa.RecordBatch.from_pylist([], schema=reader.schema), wide)


def serialise_query(cursor: duckdb.DuckDBPyConnection, sql: str) -> str:
    """DuckDB's tree of a query, as `check_query` takes it."""
    tree: str = cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
    return tree


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
