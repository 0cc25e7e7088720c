"""Statements that write tables of a DuckDB store from what is in it: CREATE TABLE AS, INSERT, UPDATE, DELETE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from catalog_service.catalog import WriteMode, match_insert
from catalog_service.column_types import repeated_names
from catalog_service.tables.duckdb_cursor import StoppableCursor
from catalog_service.tables.duckdb_errors import to_change_error, to_query_error
from catalog_service.tables.duckdb_query import serialise_query
from catalog_service.tables.duckdb_rows import fill_relations
from catalog_service.tables.query_guard import check_change, check_query, enclose_change
from catalog_service.tables.reading import quoted
from catalog_service.tables.store import Relations
from thanosql.errors import StatementError

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore

# What a query's column becomes in a table: PostgreSQL has no column without a type either, and a sum of whole
# numbers is read as bigint (see duckdb_query).
_STORED = {'"NULL"': "VARCHAR", "HUGEINT": "BIGINT", "UHUGEINT": "BIGINT"}


class DuckDBWrite:
    """The rows of a query on their way into a table; see `TableStore.write_query`."""

    def __init__(
        self,
        store: DuckDBStore,
        name: str,
        sql: str,
        mode: WriteMode,
        now: datetime,
        relations: Relations,
        columns: Sequence[str],
    ) -> None:
        self._store, self._name, self._sql, self._mode, self._now = store, name, sql, mode, now
        self._relations, self._columns = relations, columns
        self._cursor = StoppableCursor(store)

    def run(self) -> int:
        """Writes; how many rows there were."""
        with _told(self._store, self._name), self._cursor.open() as cursor:
            check_query(serialise_query(cursor, self._sql), self._store.readable(self._relations))
            with self._store.transaction(cursor):
                if self._mode is not WriteMode.CREATE:
                    self._store.stamp(cursor, self._name, self._now)
                fill_relations(cursor, self._relations, self._cursor.raise_if_cancelled)
                self._cursor.raise_if_cancelled()
                rows = self._insert(cursor) if self._mode is WriteMode.APPEND else self._create(cursor)
                self._store.stamp(cursor, self._name, self._now, rows)
                self._cursor.raise_if_cancelled()
        return rows

    def cancel(self) -> None:
        """Stops it, from any thread."""
        self._cursor.cancel()

    def _create(self, cursor: duckdb.DuckDBPyConnection) -> int:
        described = _describe(cursor, self._sql)
        if repeated := repeated_names([name for name, _ in described]):
            raise StatementError(
                f"table {self._name!r} would have more than one column {', '.join(map(repr, repeated))}",
                hint="Give them names that differ: SELECT a.text AS first_text, b.text AS second_text.",
            )
        select = self._sql
        if any(kind in _STORED for _, kind in described):
            places = ", ".join(f"c{place}" for place in range(len(described)))
            fields = ", ".join(
                f"CAST(c{place} AS {_STORED.get(kind, kind)}) AS {quoted(name)}" if kind in _STORED
                else f"c{place} AS {quoted(name)}"
                for place, (name, kind) in enumerate(described)
            )  # fmt: skip
            select = f"SELECT {fields} FROM ({self._sql}\n) AS q({places})"
        replaces = "OR REPLACE " if self._mode is WriteMode.REPLACE else ""
        return _count(cursor, f"CREATE {replaces}TABLE {self._store.qualified(self._name)} AS {select}")

    def _insert(self, cursor: duckdb.DuckDBPyConnection) -> int:
        of_table = self._store.columns(cursor, self._name)
        of_query = [name for name, _ in _describe(cursor, self._sql)]
        targets = match_insert(self._name, of_table, self._columns, of_query)
        names = ", ".join(quoted(name) for name in targets)
        return _count(cursor, f"INSERT INTO {self._store.qualified(self._name)} ({names}) {self._sql}")


class DuckDBChange:
    """One UPDATE or DELETE; see `TableStore.change`."""

    def __init__(self, store: DuckDBStore, sql: str, now: datetime, relations: Relations) -> None:
        self._store, self._sql, self._now, self._relations = store, sql, now, relations
        self._cursor = StoppableCursor(store)

    def run(self) -> int:
        """Changes; how many rows."""
        with _told(self._store), self._cursor.open() as cursor:
            target = self._check(cursor)
            with self._store.transaction(cursor):
                self._store.stamp(cursor, target, self._now)
                fill_relations(cursor, self._relations, self._cursor.raise_if_cancelled)
                self._cursor.raise_if_cancelled()
                rows = _count(cursor, self._sql)
                self._store.stamp(cursor, target, self._now, rows)
                self._cursor.raise_if_cancelled()
        return rows

    def cancel(self) -> None:
        """Stops it, from any thread."""
        self._cursor.cancel()

    def _check(self, cursor: duckdb.DuckDBPyConnection) -> str:
        statements = cursor.extract_statements(self._sql)
        kinds = [each.type for each in statements]
        if kinds not in ([duckdb.StatementType.UPDATE], [duckdb.StatementType.DELETE]):
            raise StatementError("one UPDATE or DELETE of a table is expected here")
        tree = serialise_query(cursor, enclose_change(self._sql))
        return check_change(tree, self._store.names(), [name for name, _ in self._relations])


def _describe(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    """Names and types of a query's columns."""
    relation = cursor.sql(sql)
    return [(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]


def _count(cursor: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Runs a statement; how many rows it wrote."""
    rows: int = cursor.execute(sql).fetchall()[0][0]
    return rows


@contextmanager
def _told(store: DuckDBStore, name: str = "") -> Iterator[None]:
    """Says DuckDB's failures as ours."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        ours = to_change_error(error, name) or to_query_error(error, store.names())
        if ours is None:
            raise
        raise ours from error
