"""One query over the tables of a DuckDB store, which streams its rows and can be stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from catalog_service.tables.duckdb_cursor import StoppableCursor
from catalog_service.tables.duckdb_errors import to_query_error
from catalog_service.tables.duckdb_rows import fill_relations
from catalog_service.tables.query_guard import check_query
from catalog_service.tables.record_batches import MESSAGE_BYTES, split
from catalog_service.tables.store import Relations
from thanosql.errors import DataError

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore

BATCH_ROWS = 16_384
"""Rows that DuckDB hands over at once where texts are among them; large batches are split to messages."""
_MOST_ROWS = 262_144
_WIDTHS = {"BOOLEAN": 1, "TINYINT": 1, "UTINYINT": 1, "SMALLINT": 2, "USMALLINT": 2, "INTEGER": 4, "UINTEGER": 4}
_WIDTHS |= {"FLOAT": 4, "DATE": 4, "BIGINT": 8, "UBIGINT": 8, "DOUBLE": 8, "TIME": 8}
_WIDTHS |= dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"), 8)
"""Bytes of a value, of the types whose values have all the same."""


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
        types = [str(kind) for kind in result.types]
        wide = [n for n, kind in enumerate(types) if kind in ("HUGEINT", "UHUGEINT")]
        reader = result.to_arrow_reader(rows_at_once(types))
        empty = True
        for batch in reader:
            self._cursor.raise_if_cancelled()
            if batch.num_rows:
                empty = False
                yield from split(_narrow(batch, wide))
        if empty:
            yield _narrow(pa.RecordBatch.from_pylist([], schema=reader.schema), wide)


def rows_at_once(types: Sequence[str]) -> int:
    """Rows of a batch: as many as fill a message, where the values' size is known; each message costs time.

    Args:
        types: Of the columns, as DuckDB names them.
    """
    width = 0
    for kind in types:
        if kind not in _WIDTHS:  # a text may be long: few rows, so that memory is bounded
            return BATCH_ROWS
        width += _WIDTHS[kind]
    fitting = MESSAGE_BYTES // max(1, width)
    # DuckDB fills up batches by vectors of 2048 rows, and the bits that mark NULL count too.
    return max(BATCH_ROWS, min(_MOST_ROWS, fitting * 15 // 16 // 2048 * 2048))


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
