"""The users' tables in a DuckDB file, shut off from the file system and the network."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from catalog_service.catalog import WriteMode, unknown_table
from catalog_service.tables.duckdb_errors import to_open_error, to_write_error
from catalog_service.tables.duckdb_query import DuckDBQuery
from catalog_service.tables.store import Insert
from catalog_service.tables.type_names import postgres_name
from thanosql.types import EPOCH, Column, Table

# Nothing that SQL can say reaches out, and nothing that SQL can say changes that.
_SEALED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # Python variables are no tables.
    "python_enable_replacements": "false",
}

_INCOMING = "thanosql_incoming_rows"

# The type of a column without values, as DuckDB describes it.
_NULL = '"NULL"'

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
        locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
        if locked != (True,):
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise to_open_error(error, file) from error
    return DuckDBStore(connection)


class DuckDBStore:
    """A `TableStore` over one DuckDB database; each call has a cursor of its own."""

    sql_dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._database = connection.execute("SELECT current_database()").fetchall()[0][0]
        self._lock = threading.Lock()
        self._cursor_closed = threading.Condition(self._lock)
        self._cursors = 0
        self._queries: set[DuckDBQuery] = set()

    def tables(self) -> tuple[Table, ...]:
        """Every table, as of one moment, by name."""
        with self._transaction("READ ONLY") as cursor:
            columns: dict[str, list[Column]] = {}
            for table, column, kind in cursor.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = ? AND schema_name = 'main' AND NOT internal ORDER BY table_name, column_index",
                [self._database],
            ).fetchall():
                columns.setdefault(table, []).append(Column(column, postgres_name(kind)))
            comments = dict(
                cursor.execute(
                    "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main'",
                    [self._database],
                ).fetchall()
            )
            if not columns:
                return ()
            # The estimate in duckdb_tables() also counts deleted rows.
            counts = " UNION ALL ".join(
                f"SELECT {place}, count(*) FROM {self._qualified(name)}" for place, name in enumerate(columns)
            )
            rows = dict(cursor.execute(counts).fetchall())
        return tuple(
            Table(name, tuple(columns[name]), rows[place], _moment(comments.get(name)))
            for place, name in enumerate(columns)
        )

    def query(self, sql: str) -> DuckDBQuery:
        """A query over the tables; it runs while it is iterated."""
        return DuckDBQuery(self, sql)

    @contextmanager
    def writing(self, name: str, schema: pa.Schema, mode: WriteMode, now: datetime) -> Iterator[Insert]:
        """Writes a table in one transaction; see `TableStore`."""
        table = self._qualified(name)
        columns = ", ".join(_quoted(column) for column in schema.names)
        try:
            with self._transaction() as cursor:
                if mode is not WriteMode.APPEND:
                    replaces = "OR REPLACE " if mode is WriteMode.REPLACE else ""
                    cursor.execute(f"CREATE {replaces}TABLE {table} ({_definitions(cursor, schema)})")
                # Also makes a second writer of the same table fail now, and not after all its work.
                cursor.execute(f"COMMENT ON TABLE {table} IS '{now.astimezone(UTC).isoformat()}'")

                def insert(batch: pa.RecordBatch) -> None:
                    with _offered(cursor, pa.Table.from_batches([batch])):
                        cursor.execute(f"INSERT INTO {table} ({columns}) FROM {_INCOMING}")

                yield insert
        except duckdb.Error as error:
            ours = to_write_error(error, name)
            if ours is None:
                raise
            raise ours from error

    def drop(self, name: str) -> None:
        """Drops a table.

        Raises:
            UnknownTable: there is none of that name.
        """
        try:
            with self._transaction() as cursor:
                cursor.execute(f"DROP TABLE {self._qualified(name)}")
        except duckdb.CatalogException as error:
            raise unknown_table(name, (table.name for table in self.tables())) from error
        except duckdb.Error as error:
            ours = to_write_error(error, name)
            if ours is None:
                raise
            raise ours from error

    @contextmanager
    def running(self, query: DuckDBQuery) -> Iterator[duckdb.DuckDBPyConnection]:
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

    def _qualified(self, name: str) -> str:
        return f'{_quoted(self._database)}."main".{_quoted(name)}'

    @contextmanager
    def _transaction(self, kind: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
        with self._cursor() as cursor:
            cursor.execute(f"BEGIN TRANSACTION {kind}")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                # The failure may have ended the transaction already.
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                raise


def _definitions(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> str:
    """The columns of a table for rows of `schema`, as CREATE TABLE takes them.

    CREATE TABLE … AS would be shorter, but DuckDB 2.0 then keeps the statistics of a table without rows
    for what the same transaction inserts, and `max(n)` over 300,000 rows is NULL until it is restarted.
    """
    with _offered(cursor, schema.empty_table()):
        described = cursor.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {_INCOMING})").fetchall()
    return ", ".join(f"{_quoted(name)} {kind.replace(_NULL, 'VARCHAR')}" for name, kind in described)


@contextmanager
def _offered(cursor: duckdb.DuckDBPyConnection, rows: Any) -> Iterator[None]:
    """Lets SQL on `cursor`, and on no other, read `rows`."""
    cursor.register(_INCOMING, rows)
    yield
    # After a failure the transaction is rolled back, and the registration with it.
    cursor.unregister(_INCOMING)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _moment(comment: str | None) -> datetime:
    try:
        return datetime.fromisoformat(comment or "")
    except ValueError:  # a table that another program made
        return EPOCH
