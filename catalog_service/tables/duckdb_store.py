"""The users' tables in a DuckDB file, shut off from the file system and the network."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from catalog_service.catalog import WriteMode, check_rename, check_rename_column, unknown_table
from catalog_service.tables.duckdb_change import DuckDBChange, DuckDBWrite
from catalog_service.tables.duckdb_cursor import StoppableCursor
from catalog_service.tables.duckdb_errors import to_open_error, to_write_error
from catalog_service.tables.duckdb_insert import inserting
from catalog_service.tables.duckdb_query import DuckDBQuery
from catalog_service.tables.duckdb_rows import define_columns
from catalog_service.tables.duckdb_scoring import make_scoring_functions
from catalog_service.tables.duckdb_tables import DuckDBTables
from catalog_service.tables.reading import quoted, turn_progress_bar_off
from catalog_service.tables.store import Insert, Relations
from thanosql.types import Table

# Nothing that SQL can say reaches out, and nothing that SQL can say changes that.
_SEALED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # Python variables are no tables.
    "python_enable_replacements": "false",
    # 7 / 2 is 3, as in PostgreSQL.
    "integer_division": "true",
}

READ_ONLY = "READ ONLY"

_CLOSE_SECONDS = 10.0

log = logging.getLogger(__name__)


def open_duckdb_store(file: Path, memory_limit: str, threads: int = 0) -> DuckDBStore:
    """Opens the store, or makes a new one.

    Raises:
        Unavailable: another process has the file, or it cannot be opened.
        DataError: the file is not a DuckDB file, or is damaged.
    """
    settings: dict[str, Any] = (
        _SEALED | {"memory_limit": memory_limit} | ({"threads": str(threads)} if threads > 0 else {})
    )
    try:
        connection = duckdb.connect(file, config=settings)
        # A second session of this process shares the first one's database, which is locked already.
        ((locked,),) = connection.execute("SELECT current_setting('lock_configuration')").fetchall()
        if not locked:
            make_scoring_functions(connection)
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            turn_progress_bar_off(connection)
            connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise to_open_error(error, file) from error
    return DuckDBStore(connection)


class DuckDBStore:
    """A `TableStore` over one DuckDB database; each call has a cursor of its own."""

    sql_dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        ((database, file),) = connection.execute(
            "SELECT database_name, path FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()
        self._tables = DuckDBTables(database, file)
        self._lock = threading.Lock()
        self._cursor_closed = threading.Condition(self._lock)
        self._cursors = 0
        self._queries: set[StoppableCursor] = set()

    def tables(self) -> tuple[Table, ...]:
        """Every table, as of one moment, by name."""
        remembered = self._tables.remembered()
        if remembered is not None:
            return remembered
        with self._cursor() as cursor, self.transaction(cursor, READ_ONLY):
            return self._tables.describe(cursor)

    def query(self, sql: str, relations: Relations = ()) -> DuckDBQuery:
        """A query over the tables; it runs while it is iterated."""
        return DuckDBQuery(self, sql, relations)

    def write_query(
        self,
        name: str,
        sql: str,
        mode: WriteMode,
        now: datetime,
        *,
        relations: Relations = (),
        columns: Sequence[str] = (),
    ) -> DuckDBWrite:
        """Writes the rows of a query into a table when it is run; see `TableStore`."""
        return DuckDBWrite(self, name, sql, mode, now, relations, columns)

    def change(self, sql: str, now: datetime, relations: Relations = ()) -> DuckDBChange:
        """One UPDATE or DELETE, when it is run; see `TableStore`."""
        return DuckDBChange(self, sql, now, relations)

    @contextmanager
    def writing(self, name: str, schema: pa.Schema, mode: WriteMode, now: datetime) -> Iterator[Insert]:
        """Writes a table in one transaction; see `TableStore`."""
        table = self.qualified(name)
        try:
            with self._cursor() as cursor, self.transaction(cursor):
                if mode is not WriteMode.APPEND:
                    replaces = "OR REPLACE " if mode is WriteMode.REPLACE else ""
                    cursor.execute(f"CREATE {replaces}TABLE {table} ({define_columns(cursor, schema)})")
                # Also makes a second writer of the same table fail now, and not after all its work.
                self.stamp(cursor, name, now)
                rows = 0
                with inserting(cursor, table, schema) as insert:

                    def insert_and_count(batch: pa.RecordBatch) -> None:
                        nonlocal rows
                        insert(batch)
                        rows += batch.num_rows

                    yield insert_and_count
                self.stamp(cursor, name, now, rows)
        except duckdb.Error as error:
            ours = to_write_error(error, name)
            if ours is None:
                raise
            raise ours from error

    def rename(self, name: str, new_name: str, now: datetime) -> None:
        """Gives a table another name; see `TableStore`."""
        check_rename(name, new_name, self.tables())
        self._alter(name, f"RENAME TO {quoted(new_name)}", now, new_name)

    def rename_column(self, table: str, name: str, new_name: str, now: datetime) -> None:
        """Gives a column another name; see `TableStore`."""
        check_rename_column(table, name, new_name, self.tables())
        self._alter(table, f"RENAME COLUMN {quoted(name)} TO {quoted(new_name)}", now, table)

    def drop(self, name: str) -> None:
        """Drops a table.

        Raises:
            UnknownTable: there is none of that name.
        """
        try:
            with self._cursor() as cursor, self.transaction(cursor):
                cursor.execute(f"DROP TABLE {self.qualified(name)}")
        except duckdb.CatalogException as error:
            raise unknown_table(name, self.names()) from error
        except duckdb.Error as error:
            ours = to_write_error(error, name)
            if ours is None:
                raise
            raise ours from error

    def names(self) -> list[str]:
        """Names of the tables."""
        return [table.name for table in self.tables()]

    def columns(self, cursor: duckdb.DuckDBPyConnection, name: str) -> list[str]:
        """Names of a table's columns, in their order."""
        return self._tables.columns(cursor, name)

    def readable(self, relations: Relations) -> list[str]:
        """Names that a query may read."""
        return [*self.names(), *(name for name, _ in relations)]

    def qualified(self, name: str) -> str:
        """A table as SQL writes it, so that it is no other."""
        return self._tables.qualified(name)

    def stamp(self, cursor: duckdb.DuckDBPyConnection, name: str, now: datetime, rows: int = 0) -> None:
        """Notes when a table was written, and how; of two statements that write one table, the second fails at this."""
        self._tables.stamp(cursor, name, now, rows)

    @contextmanager
    def transaction(self, cursor: duckdb.DuckDBPyConnection, kind: str = "") -> Iterator[None]:
        """What the block does is done, all of it, when the block ends well; else nothing of it."""
        cursor.execute(f"BEGIN TRANSACTION {kind}")
        try:
            yield
            cursor.execute("COMMIT")
            if kind != READ_ONLY:
                self._tables.note_commit()
        except BaseException:
            # The failure may have ended the transaction already.
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            raise

    @contextmanager
    def running(self, query: StoppableCursor) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for `query`, which `close` cancels while the block lasts."""
        with self._lock:
            self._queries.add(query)
        try:
            with self._cursor() as cursor:
                yield cursor
        finally:
            with self._lock:
                self._queries.discard(query)

    def close(self) -> None:
        """Stops what runs and frees the file; the last one to close it writes everything into it."""
        with self._lock:
            running = list(self._queries)
        for query in running:
            query.cancel()
        with self._cursor_closed:
            if not self._cursor_closed.wait_for(lambda: self._cursors == 0, timeout=_CLOSE_SECONDS):
                log.warning("%d calls still use the tables", self._cursors)
        self._connection.close()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the same database, for one call."""
        with self._lock:
            cursor = self._connection.cursor()
            self._cursors += 1
        try:
            yield cursor
        finally:
            with self._cursor_closed:
                cursor.close()
                self._cursors -= 1
                self._cursor_closed.notify_all()

    def _alter(self, table: str, alteration: str, now: datetime, stamped: str) -> None:
        try:
            with self._cursor() as cursor, self.transaction(cursor):
                cursor.execute(f"ALTER TABLE {self.qualified(table)} {alteration}")
                self.stamp(cursor, stamped, now)
        except duckdb.Error as error:
            ours = to_write_error(error, table)
            if ours is None:
                raise
            raise ours from error
