"""Gives rows of Arrow to DuckDB: the columns of their table, rows to insert, and tables that one cursor alone sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from catalog_service.tables.reading import quoted
from catalog_service.tables.store import Relations

_INCOMING = "thanosql_incoming_rows"

# The type of a column without values, as DuckDB describes it.
_NULL = '"NULL"'

_CHUNK_BYTES = 16 * 1024 * 1024
_CHUNK_ROWS = 122_880


def define_columns(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> str:
    """The columns of a table for rows of `schema`, as CREATE TABLE takes them.

    CREATE TABLE … AS would be shorter, but DuckDB 2.0 then keeps the statistics of a table without rows
    for what the same transaction inserts, and `max(n)` over 300,000 rows is NULL until it is restarted.
    """
    with offered(cursor, schema.empty_table()) as incoming:
        described = cursor.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {incoming})").fetchall()
    return ", ".join(f"{quoted(name)} {kind.replace(_NULL, 'VARCHAR')}" for name, kind in described)


def insert_rows(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Inserts rows into a table, by the names of their columns; `table` as SQL writes it."""
    columns = ", ".join(quoted(name) for name in rows.schema.names)
    with offered(cursor, rows) as incoming:
        cursor.execute(f"INSERT INTO {table} ({columns}) FROM {incoming}")


def fill_relations(
    cursor: duckdb.DuckDBPyConnection, relations: Relations, raise_if_cancelled: Callable[[], None]
) -> None:
    """Makes a table of each relation that this cursor alone sees, and that goes to the disk beyond the memory limit."""
    for name, batches in relations:
        table = f"temp.main.{quoted(name)}"
        made = False
        for chunk in _chunks(batches):
            raise_if_cancelled()
            if not made:
                cursor.execute(f"CREATE TEMP TABLE {quoted(name)} ({define_columns(cursor, chunk.schema)})")
                made = True
            if chunk.num_rows:
                insert_rows(cursor, table, chunk)


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in larger pieces: each INSERT costs a millisecond, whatever it inserts."""
    waiting: list[pa.RecordBatch] = []
    size = rows = 0
    for batch in batches:
        waiting.append(batch)
        size += batch.nbytes
        rows += batch.num_rows
        if size >= _CHUNK_BYTES or rows >= _CHUNK_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
            size = rows = 0
    if waiting:
        yield pa.Table.from_batches(waiting)


@contextmanager
def offered(cursor: duckdb.DuckDBPyConnection, rows: Any) -> Iterator[str]:
    """Lets SQL on `cursor`, and on no other, read `rows`, under the name that it gives."""
    cursor.register(_INCOMING, rows)
    yield _INCOMING
    # After a failure the transaction is rolled back, and the registration with it.
    cursor.unregister(_INCOMING)
