"""One query over the tables of a PostgreSQL store, which streams its rows and can be stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
from psycopg import sql

from catalog_service.column_types import repeated_names
from catalog_service.tables.postgres_connections import Connection, Running
from catalog_service.tables.postgres_guard import check_query
from catalog_service.tables.postgres_rows import read_batches, write_csv
from catalog_service.tables.postgres_types import ResultColumn, column_type
from catalog_service.tables.record_batches import split
from catalog_service.tables.store import Relations
from thanosql.errors import StatementError

if TYPE_CHECKING:
    from catalog_service.tables.postgres_store import PostgresStore

_MANY_ROWS = 1_000
"""Rows of a relation from which on PostgreSQL is told how many there are, for its plan."""

LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL; it would cut a longer one, silently."""


class PostgresQuery:
    """One query; see `catalog_service.tables.store.Query`."""

    def __init__(self, store: PostgresStore, sql: str, relations: Relations) -> None:
        self._store = store
        self._sql = sql
        self._relations = relations
        self._running = Running()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches of at most a few MiB; at least one batch."""
        checked = check_query(self._sql)
        with self._store.asking(self._running) as connection:
            self._store.check_names_in(connection, checked, self._relations)
            fill_relations(connection, self._relations, self._running)
            connection.execute("SET TRANSACTION READ ONLY")
            columns = describe(connection, self._sql)
            with connection.cursor() as cursor, cursor.copy(_copy_of(self._sql, columns)) as copy:
                for batch in read_batches(copy, columns):
                    self._running.raise_if_cancelled()
                    yield from split(batch)

    def cancel(self) -> None:
        """Stops the query, from any thread; does nothing to one that has ended."""
        self._running.cancel()


def describe(connection: Connection, query: str) -> list[ResultColumn]:
    """The columns of a query's result.

    It also makes sure that the text is one statement: what has values beside it goes over the extended protocol,
    which takes no second one, and a text that closes the parenthesis before its end is no statement by itself.
    """
    cursor = psycopg.RawCursor(connection)
    cursor.execute(f"SELECT * FROM (\n{query}\n) AS result LIMIT $1", [0])
    described = cursor.description or []
    if not described:
        raise StatementError("the query has no columns", hint="Name them behind SELECT.")
    return [ResultColumn(each.name, each.type_code, each.precision, each.scale) for each in described]


def _copy_of(query: str, columns: Sequence[ResultColumn]) -> bytes:
    """What sends the rows; arrays as JSON."""
    if any(column.is_array for column in columns):
        names = [f"c{n}" for n in range(len(columns))]
        values = (f"to_json({n})" if column.is_array else n for n, column in zip(names, columns, strict=True))
        query = f"SELECT {', '.join(values)} FROM (\n{query}\n) AS result({', '.join(names)})"
    return f"COPY (\n{query}\n) TO STDOUT (FORMAT csv)".encode()


def fill_relations(connection: Connection, relations: Relations, running: Running) -> None:
    """Makes a temporary table of each relation; they go with the transaction."""
    for name, batches in relations:
        rows = 0
        for number, batch in enumerate(batches):
            running.raise_if_cancelled()
            if number == 0:
                check_names(name, batch.schema.names)
                table = sql.Identifier("pg_temp", name)
                definitions = define(batch.schema)
                connection.execute(sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(table, definitions))
            copy_in(connection, table, batch)
            rows += batch.num_rows
        if rows >= _MANY_ROWS:
            connection.execute(sql.SQL("ANALYZE {}").format(table))


def copy_in(connection: Connection, table: sql.Composable, batch: pa.RecordBatch) -> None:
    """Adds rows to a table, by the names of their columns."""
    if not batch.num_rows:
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, batch.schema.names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in split(batch):
            copy.write(write_csv(part))


def define(schema: pa.Schema) -> sql.Composed:
    """The columns of a table for rows of `schema`, as CREATE TABLE takes them."""
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(column_type(field.type))) for field in schema
    )


def check_names(table: str, columns: Sequence[str]) -> None:
    """Whether PostgreSQL takes the names as they are.

    Raises:
        StatementError: one is empty or too long, or a column comes twice.
    """
    for kind, name in (("table", table), *(("column", column) for column in columns)):
        if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
            raise StatementError(
                f"{name!r} cannot be the name of a {kind} in PostgreSQL",
                hint=f"A name has at most {LONGEST_NAME} bytes, in which a Hangul syllable takes three.",
            )
    if repeated := repeated_names(list(columns)):
        raise StatementError(
            f"table {table!r} would have more than one column {', '.join(map(repr, repeated))}",
            hint="Give them names that differ: SELECT a.text AS first_text, b.text AS second_text.",
        )
