"""Describes the tables of a DuckDB store, and remembers it: every statement asks, and few have changed anything.

Counting a hundred tables takes a tenth of a second. Whatever writes a table gives it a comment that no other write
gives, in the same transaction: what was found under a name and a comment is true as long as the two are there. Even
to ask for the comments takes a millisecond, so commits are counted too: one process alone has the file, and what was
found since its last commit is true.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import duckdb

from catalog_service.tables.reading import quoted
from catalog_service.tables.type_names import postgres_name
from thanosql.rpc.logs import current_query_id
from thanosql.types import EPOCH, Column, Table

_State = tuple[str, str | None]
"""A table's name and comment."""


class _Commits:
    """How many transactions have written to a database file, whichever session of this process began them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, file: str) -> int:
        return self._counts[file]

    def add(self, file: str) -> None:
        with self._lock:
            self._counts[file] += 1


_COMMITS = _Commits()


class DuckDBTables:
    """The tables of schema main of one database."""

    def __init__(self, database: str, file: str) -> None:
        self._database = database
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[_State, Table] = {}
        self._last: tuple[int, tuple[Table, ...]] | None = None
        """The tables, after so many commits."""

    def qualified(self, name: str) -> str:
        """A table as SQL writes it, so that it is no other."""
        return f'{quoted(self._database)}."main".{quoted(name)}'

    def stamp(self, cursor: duckdb.DuckDBPyConnection, name: str, now: datetime, rows: int = 0) -> None:
        """Notes when a table was written, by which query, and how many rows.

        Of two statements that write one table, the second fails at this.

        Raises:
            duckdb.Error: another statement is writing the table, or it is not there.
        """
        comment = f"{now.astimezone(UTC).isoformat()} {uuid4().hex} {rows} {current_query_id()}"
        cursor.execute(f"COMMENT ON TABLE {self.qualified(name)} IS '{comment}'")

    def note_commit(self) -> None:
        """A transaction that may have written is committed."""
        _COMMITS.add(self._file)

    def remembered(self) -> tuple[Table, ...] | None:
        """The tables as they were described last; None where something was committed since."""
        last = self._last
        return last[1] if last is not None and last[0] == _COMMITS.count(self._file) else None

    def columns(self, cursor: duckdb.DuckDBPyConnection, name: str) -> list[str]:
        """Names of a table's columns, in their order."""
        found = self._columns(cursor, [name])
        return [column.name for columns in found.values() for column in columns]

    def describe(self, cursor: duckdb.DuckDBPyConnection) -> tuple[Table, ...]:
        """Every table, by name. `cursor` has just begun a transaction, and sees what is committed."""
        # Before the tables are looked at: a commit meanwhile makes what is found here old.
        commits = _COMMITS.count(self._file)
        states = self._states(cursor)
        with self._lock:
            known = dict(self._known)
        unknown = [state for state in states if state not in known]
        if unknown:
            known |= self._look_at(cursor, unknown)
        tables = tuple(known[state] for state in states)
        with self._lock:
            self._known = {state: known[state] for state in states}
            self._last = commits, tables
        return tables

    def _states(self, cursor: duckdb.DuckDBPyConnection) -> list[_State]:
        sql = "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main'"
        return sorted(cursor.execute(sql, [self._database]).fetchall(), key=lambda state: state[0])

    def _look_at(self, cursor: duckdb.DuckDBPyConnection, states: Sequence[_State]) -> dict[_State, Table]:
        columns = self._columns(cursor, [name for name, _ in states])
        # The estimate in duckdb_tables() also counts deleted rows.
        counts = " UNION ALL ".join(
            f"SELECT {place}, count(*) FROM {self.qualified(name)}" for place, (name, _) in enumerate(states)
        )
        rows = dict(cursor.execute(counts).fetchall())
        return {
            (name, comment): Table(name, tuple(columns[name]), rows[place], *_read_comment(comment))
            for place, (name, comment) in enumerate(states)
        }

    def _columns(self, cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, list[Column]]:
        """The columns of the tables `names`, whatever the case of their letters, by the tables' names as they are."""
        sql = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = 'main' AND lower(table_name) IN (SELECT lower(unnest(?))) "
            "ORDER BY table_name, column_index"
        )
        found: dict[str, list[Column]] = {}
        for table, column, kind in cursor.execute(sql, [self._database, list(names)]).fetchall():
            found.setdefault(table, []).append(Column(column, postgres_name(kind)))
        return found


def _read_comment(comment: str | None) -> tuple[datetime, str, int]:
    """When a table was written, by which query, and how many rows."""
    moment, _, rows, by = [*(comment or "").split(" "), "", "", ""][:4]
    try:
        return datetime.fromisoformat(moment), by, int(rows or 0)
    except ValueError:  # a table that another program made
        return EPOCH, "", 0
