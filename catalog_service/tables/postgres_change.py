"""Statements that write tables of a PostgreSQL store from what is in it: CREATE TABLE AS, INSERT, UPDATE, DELETE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import RawCursor, sql

from catalog_service.catalog import WriteMode, match_insert, unknown_table
from catalog_service.tables.postgres_connections import Connection, Running
from catalog_service.tables.postgres_guard import check_change, check_query
from catalog_service.tables.postgres_query import check_names, describe, fill_relations
from catalog_service.tables.postgres_tables import claim, columns_of, count_rows, replacing, stamp, table_named
from catalog_service.tables.store import Relations

if TYPE_CHECKING:
    from catalog_service.tables.postgres_store import PostgresStore


class PostgresWrite:
    """The rows of a query on their way into a table; see `TableStore.write_query`."""

    def __init__(
        self,
        store: PostgresStore,
        name: str,
        sql: str,
        mode: WriteMode,
        now: datetime,
        relations: Relations,
        columns: Sequence[str],
    ) -> None:
        self._store, self._name, self._sql, self._mode, self._now = store, name, sql, mode, now
        self._relations, self._columns = relations, columns
        self._running = Running()

    def run(self) -> int:
        """Writes; how many rows there were."""
        checked = check_query(self._sql)
        with self._store.asking(self._running) as connection:
            claim(connection, self._name)
            self._store.check_names_in(connection, checked, self._relations)
            fill_relations(connection, self._relations, self._running)
            rows = self._insert(connection) if self._mode is WriteMode.APPEND else self._create(connection)
            self._running.raise_if_cancelled()
        return rows

    def cancel(self) -> None:
        """Stops it, from any thread."""
        self._running.cancel()

    def _create(self, connection: Connection) -> int:
        check_names(self._name, [column.name for column in describe(connection, self._sql)])
        with replacing(connection, self._name, self._mode) as table:
            statement = sql.SQL("CREATE TABLE {} AS\n").format(table_named(table)).as_bytes() + self._sql.encode()
            rows = connection.execute(statement).rowcount
        stamp(connection, self._name, self._now, rows, rows)
        return rows

    def _insert(self, connection: Connection) -> int:
        of_table = columns_of(connection, self._name)
        if not of_table:
            raise unknown_table(self._name, self._store.names(connection))
        of_query = [column.name for column in describe(connection, self._sql)]
        targets = match_insert(self._name, [name for name, _ in of_table], self._columns, of_query)
        types = dict(of_table)
        places = [sql.Identifier(f"c{place}") for place in range(len(targets))]
        # PostgreSQL by itself casts less than the other store: no text to a number.
        values = (
            sql.SQL("CAST({} AS {})").format(place, sql.SQL(types[target]))
            for place, target in zip(places, targets, strict=True)
        )
        before = count_rows(connection, self._name)
        statement = (
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM (\n")
            .format(
                table_named(self._name), sql.SQL(", ").join(map(sql.Identifier, targets)), sql.SQL(", ").join(values)
            )
            .as_bytes()
            + self._sql.encode()
            + sql.SQL("\n) AS result ({})").format(sql.SQL(", ").join(places)).as_bytes()
        )
        rows = connection.execute(statement).rowcount
        stamp(connection, self._name, self._now, before + rows, rows)
        return rows


class PostgresChange:
    """One UPDATE or DELETE; see `TableStore.change`."""

    def __init__(self, store: PostgresStore, sql: str, now: datetime, relations: Relations) -> None:
        self._store, self._sql, self._now, self._relations = store, sql, now, relations
        self._running = Running()

    def run(self) -> int:
        """Changes; how many rows."""
        checked = check_change(self._sql)
        target = checked.target
        with self._store.asking(self._running) as connection:
            names = self._store.names(connection)
            if target not in names:
                raise unknown_table(target, names)
            claim(connection, target)
            self._store.check_names_in(connection, checked, self._relations)
            fill_relations(connection, self._relations, self._running)
            before = count_rows(connection, target)
            # In binary, which goes over the extended protocol: it takes one statement only.
            rows = RawCursor(connection).execute(self._sql.encode(), binary=True).rowcount
            stamp(connection, target, self._now, before - rows if checked.deletes else before, rows)
            self._running.raise_if_cancelled()
        return rows

    def cancel(self) -> None:
        """Stops it, from any thread."""
        self._running.cancel()
