"""The users' tables as PostgreSQL's catalog has them: what there is, who writes, and how one takes another's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from psycopg import errors, sql

from catalog_service.catalog import WriteMode
from catalog_service.tables.postgres_connections import Connection
from catalog_service.tables.postgres_errors import being_read, being_written, name_taken
from catalog_service.tables.postgres_login import TABLES
from catalog_service.tables.postgres_types import described_name
from thanosql.rpc.logs import current_query_id
from thanosql.types import EPOCH, Column, Table

_WRITERS = 0x74686172
"""First part of the keys of the locks that writers hold; the second is made of the table's name."""

_STAGED = "thanosql_staged_rows"
"""What a table is called while it waits to take another's place; nobody sees it, since it is never committed."""

_PATIENCE_SECONDS = 20.0
_ATTEMPT_MILLISECONDS = 200

_EVERY_COLUMN = """
SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname COLLATE "C", a.attnum
"""


def table_named(name: str) -> sql.Identifier:
    """A table as SQL writes it, so that it is no other."""
    return sql.Identifier(TABLES, name)


def read_tables(connection: Connection) -> tuple[Table, ...]:
    """Every table, by name.

    Rows are counted by the statements that write them, and kept in the table's comment: count(*) would read
    every table for every statement. Only a table that another program has made is counted.
    """
    columns: dict[str, list[Column]] = {}
    comments: dict[str, str | None] = {}
    for table, comment, column, kind in connection.execute(_EVERY_COLUMN, [TABLES]).fetchall():
        comments[str(table)] = None if comment is None else str(comment)
        of_table = columns.setdefault(str(table), [])
        if column is not None:
            of_table.append(Column(str(column), described_name(str(kind))))
    tables = []
    for name, of_table in columns.items():
        read = _read_comment(comments[name])
        rows = _count(connection, name) if read.rows is None else read.rows
        tables.append(Table(name, tuple(of_table), rows, read.moment, read.by, read.written))
    return tuple(tables)


def read_names(connection: Connection) -> list[str]:
    """Names of the tables."""
    query = "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')"
    return [str(name) for (name,) in connection.execute(query, [TABLES]).fetchall()]


def columns_of(connection: Connection, name: str) -> list[tuple[str, str]]:
    """Names and types of a table's columns, in their order; none where there is no such table."""
    query = """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON a.attrelid = c.oid
        WHERE c.relnamespace = %s::regnamespace AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """
    return [(str(column), str(kind)) for column, kind in connection.execute(query, [TABLES, name]).fetchall()]


def claim(connection: Connection, name: str) -> None:
    """Makes this transaction the only one that writes the table; nobody waits.

    Raises:
        Overloaded: another statement is writing it.
    """
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_WRITERS, name]).fetchone()
    if row != (True,):
        raise being_written(name)


def count_rows(connection: Connection, name: str) -> int:
    """Rows of a table that this transaction has claimed."""
    query = "SELECT obj_description(%s::regclass, 'pg_class')"
    row = connection.execute(query, [table_named(name).as_string(connection)]).fetchone()
    rows = _read_comment(str(row[0]) if row and row[0] is not None else None).rows
    return _count(connection, name) if rows is None else rows


def stamp(connection: Connection, name: str, now: datetime, rows: int, written: int = 0) -> None:
    """Notes when a table was written, how many rows it has, how many of them were written, and by which query."""
    text = f"{now.astimezone(UTC).isoformat()} rows={rows} wrote={written} by={current_query_id()}"
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table_named(name), sql.Literal(text)))


@contextmanager
def replacing(connection: Connection, name: str, mode: WriteMode) -> Iterator[str]:
    """The name under which a new table is made in the block; at its end it is the table `name`.

    Until then others read the old one.

    Raises:
        NameTaken: the table exists, and `mode` is CREATE.
        Overloaded: queries do not let go of the old one.
    """
    exists = bool(columns_of(connection, name)) or name in read_names(connection)
    if exists and mode is WriteMode.CREATE:
        raise name_taken(name)
    if not exists:
        yield name
        return
    yield _STAGED
    hold(connection, name)
    connection.execute(sql.SQL("DROP TABLE {}").format(table_named(name)))
    rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
    connection.execute(rename.format(table_named(_STAGED), sql.Identifier(name)))


def hold(connection: Connection, name: str) -> None:
    """Waits until nobody reads a table, and lets nobody read it until this transaction ends.

    It is tried again and again for a moment: while a transaction waits for such a lock, those that come
    after it wait too.

    Raises:
        Overloaded: somebody reads it all the time.
    """
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_ATTEMPT_MILLISECONDS))
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table_named(name))
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with connection.transaction():
                connection.execute(lock)
            break
        except errors.LockNotAvailable:
            if time.monotonic() > until:
                raise being_read(name) from None
            time.sleep(_ATTEMPT_MILLISECONDS / 1000)
    connection.execute("SET LOCAL lock_timeout = 0")


def _count(connection: Connection, name: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table_named(name))).fetchone()
    return int(str(row[0])) if row else 0


class _Comment(NamedTuple):
    """What a table's comment says."""

    moment: datetime = EPOCH
    rows: int | None = None
    """None: they must be counted."""
    by: str = ""
    written: int = 0


def _read_comment(comment: str | None) -> _Comment:
    moment, *notes = (comment or "").split(" ")
    said = dict(note.partition("=")[::2] for note in notes)
    try:
        rows, written = said.get("rows", ""), said.get("wrote", "")
        return _Comment(
            datetime.fromisoformat(moment),
            int(rows) if rows.isdigit() else None,
            said.get("by", ""),
            int(written) if written.isdigit() else 0,
        )
    except ValueError:  # a table that another program made
        return _Comment()
