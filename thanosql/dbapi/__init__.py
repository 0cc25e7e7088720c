"""Python's standard interface to databases (PEP 249, DB-API 2.0), for tools that know databases by it.

    >>> from thanosql import dbapi
    >>> with dbapi.connect() as connection:                                              # doctest: +SKIP
    ...     cursor = connection.execute("SELECT text FROM calls WHERE day > :day", {"day": "2026-01-01"})
    ...     rows = cursor.fetchall()

For SQLAlchemy and what stands on it there is `thanosql://` (`thanosql.sqlalchemy_dialect`). A program of one's own is
better off with a session (`thanosql.connect`).
"""

from __future__ import annotations

from thanosql.dbapi.connection import Connection, connect
from thanosql.dbapi.cursor import Cursor
from thanosql.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from thanosql.dbapi.kinds import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

apilevel = "2.0"
threadsafety = 2
"""Threads may share the module and connections: a session is made for that. A cursor is for one thread at a time."""
paramstyle = "named"
""":name, with a mapping; `?` with a sequence is taken too."""

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
