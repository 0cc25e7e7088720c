"""The users' tables in a PostgreSQL database, in a schema of their own, under a login that may use nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from catalog_service.catalog import WriteMode, check_rename, check_rename_column, unknown_table
from catalog_service.tables.postgres_change import PostgresChange, PostgresWrite
from catalog_service.tables.postgres_connections import Connection, Connections, Running, prefer_tables
from catalog_service.tables.postgres_database import find_database
from catalog_service.tables.postgres_errors import to_query_error, to_write_error
from catalog_service.tables.postgres_guard import STEADY, Checked
from catalog_service.tables.postgres_login import Url, prepare, read_url
from catalog_service.tables.postgres_query import PostgresQuery, check_names, copy_in, define
from catalog_service.tables.postgres_tables import (
    claim,
    count_rows,
    hold,
    read_names,
    read_tables,
    replacing,
    stamp,
    table_named,
)
from catalog_service.tables.store import Insert, Relations
from thanosql.errors import Cancelled, StatementError
from thanosql.types import Table
from thanosql.workspace import DEFAULT_WORKSPACE

_REFUSED_CALLS = """
SELECT proname FROM pg_catalog.pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%s) AND provolatile <> 'i' AND NOT proname = ANY(%s)
LIMIT 1
"""
_CALLABLE = """
SELECT DISTINCT proname FROM pg_catalog.pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND (provolatile = 'i' OR proname = ANY(%s))
"""


def open_postgres_store(url: str, workspace: str = DEFAULT_WORKSPACE) -> PostgresStore:
    """Opens the store at an address such as postgresql://user:password@host/database, and makes what is missing there.

    Each workspace but the first has a database of its own on the same server; see `postgres_database`.

    Raises:
        NotSupported: the address is of something else.
        Unavailable: it cannot be reached, or the login has too few rights, or too many.
    """
    return PostgresStore(prepare(find_database(read_url(url), workspace)), is_first=workspace == DEFAULT_WORKSPACE)


class PostgresStore:
    """A `TableStore` over one PostgreSQL database; each call has a connection of its own from a pool."""

    sql_dialect = "postgres"

    def __init__(self, url: Url, *, is_first: bool = True) -> None:
        # A server takes a hundred connections, where it is not told otherwise, from all workspaces together.
        self._connections = Connections(url) if is_first else Connections(url, most=8, kept=1)

    def tables(self) -> tuple[Table, ...]:
        """Every table, as of one moment, by name."""
        with self.asking(Running()) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return read_tables(connection)

    def query(self, sql: str, relations: Relations = ()) -> PostgresQuery:
        """A query over the tables; it runs while it is iterated."""
        return PostgresQuery(self, sql, relations)

    def write_query(
        self,
        name: str,
        sql: str,
        mode: WriteMode,
        now: datetime,
        *,
        relations: Relations = (),
        columns: Sequence[str] = (),
    ) -> PostgresWrite:
        """Writes the rows of a query into a table when it is run; see `TableStore`."""
        return PostgresWrite(self, name, sql, mode, now, relations, columns)

    def change(self, sql: str, now: datetime, relations: Relations = ()) -> PostgresChange:
        """One UPDATE or DELETE, when it is run; see `TableStore`."""
        return PostgresChange(self, sql, now, relations)

    @contextmanager
    def writing(self, name: str, schema: pa.Schema, mode: WriteMode, now: datetime) -> Iterator[Insert]:
        """Writes a table in one transaction; see `TableStore`."""
        check_names(name, schema.names)
        before = rows = 0
        with self._altering(name) as connection:
            claim(connection, name)
            if mode is WriteMode.APPEND:
                if name not in read_names(connection):
                    raise unknown_table(name, read_names(connection))
                before = count_rows(connection, name)

            def insert_into(table: sql.Identifier) -> Insert:
                def insert(batch: pa.RecordBatch) -> None:
                    nonlocal rows
                    copy_in(connection, table, batch)
                    rows += batch.num_rows

                return insert

            if mode is WriteMode.APPEND:
                yield insert_into(table_named(name))
            else:
                with replacing(connection, name, mode) as made:
                    create = sql.SQL("CREATE TABLE {} ({})")
                    connection.execute(create.format(table_named(made), define(schema)))
                    yield insert_into(table_named(made))
            stamp(connection, name, now, before + rows, rows)

    def rename(self, name: str, new_name: str, now: datetime) -> None:
        """Gives a table another name; see `TableStore`."""
        table = check_rename(name, new_name, self.tables()).name
        check_names(new_name, ())
        self._alter(table, new_name, sql.SQL("RENAME TO {}").format(sql.Identifier(new_name)), now)

    def rename_column(self, table: str, name: str, new_name: str, now: datetime) -> None:
        """Gives a column another name; see `TableStore`."""
        tables = self.tables()
        column = check_rename_column(table, name, new_name, tables)
        check_names(table, [new_name])
        found = next(each.name for each in tables if each.name.casefold() == table.casefold())
        change = sql.SQL("RENAME COLUMN {} TO {}").format(sql.Identifier(column), sql.Identifier(new_name))
        self._alter(found, found, change, now)

    def drop(self, name: str) -> None:
        """Drops a table.

        Raises:
            UnknownTable: there is none of that name.
            Overloaded: another statement is writing it, or queries do not let go of it.
        """
        with self._altering(name) as connection:
            names = read_names(connection)
            same = [name] if name in names else [each for each in names if each.casefold() == name.casefold()]
            if len(same) != 1:
                raise unknown_table(name, names)
            claim(connection, same[0])
            hold(connection, same[0])
            connection.execute(sql.SQL("DROP TABLE {}").format(table_named(same[0])))

    def names(self, connection: Connection | None = None) -> list[str]:
        """Names of the tables."""
        if connection is not None:
            return read_names(connection)
        with self.asking(Running()) as own:
            return read_names(own)

    def check_names_in(self, connection: Connection, checked: Checked, relations: Relations) -> None:
        """Whether a text calls and reads only what it may, as far as PostgreSQL's own names go.

        Raises:
            StatementError: it calls a function that does more than compute.
            UnknownTable: it reads a table of PostgreSQL's own.
        """
        refused = connection.execute(_REFUSED_CALLS, [list(checked.calls), list(STEADY)]).fetchone()
        if refused is not None:
            raise StatementError(
                f"the function {refused[0]}(…) may not be called",
                hint="Queries call functions that compute from their arguments. Files: COPY t FROM 'file'.",
            )
        if checked.own_tables:
            known = {*read_names(connection), *(name for name, _ in relations)}
            foreign = sorted(checked.own_tables - known)
            if foreign:
                raise unknown_table(foreign[0], known)
            prefer_tables(connection)

    @contextmanager
    def asking(self, running: Running) -> Iterator[Connection]:
        """A transaction for SQL of a user's, which `running` and `close` can stop; failures are said as ours."""
        try:
            with self._connections.session(running) as connection:
                yield connection
        except psycopg.Error as error:
            if running.cancelled:
                raise Cancelled("the query was cancelled") from error
            ours = to_query_error(error, *self._what_there_is(error))
            if ours is None:
                raise
            raise ours from error

    def close(self) -> None:
        """Stops what runs and gives the connections back."""
        self._connections.close()

    def _alter(self, name: str, new_name: str, change: sql.Composable, now: datetime) -> None:
        with self._altering(name) as connection:
            for each in sorted({name, new_name}):
                claim(connection, each)
            hold(connection, name)
            rows = count_rows(connection, name)
            connection.execute(sql.SQL("ALTER TABLE {} {}").format(table_named(name), change))
            stamp(connection, new_name, now, rows)

    @contextmanager
    def _altering(self, name: str) -> Iterator[Connection]:
        """A transaction that writes the table `name`, with nothing of a user's SQL in it."""
        running = Running()
        try:
            with self._connections.session(running) as connection:
                yield connection
        except psycopg.Error as error:
            if running.cancelled:
                raise Cancelled("the statement was cancelled") from error
            ours = to_write_error(error, name)
            if ours is None:
                raise
            raise ours from error

    def _what_there_is(self, error: psycopg.Error) -> tuple[tuple[Table, ...], list[str]]:
        """Tables, and names of functions, where an error is about one that is not there."""
        if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)):
            return self.tables(), []
        if isinstance(error, psycopg.errors.UndefinedFunction):
            with self._connections.session() as connection:
                return (), [str(name) for (name,) in connection.execute(_CALLABLE, [list(STEADY)]).fetchall()]
        return (), []
