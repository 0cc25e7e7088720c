"""Finds the database of a workspace's tables on the PostgreSQL server, and makes it where there is none.

A session of PostgreSQL is in one database and no statement takes it to another: so nothing that a user's SQL says
reaches the tables, the names or the locks of another workspace, whatever the rights. The first workspace's is the
database that is configured; `speech` has `speech--calls` beside it for the workspace calls.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

import psycopg
from psycopg import sql

from catalog_service.tables.postgres_login import Url, connect
from thanosql.errors import Unavailable
from thanosql.workspace import DEFAULT_WORKSPACE

_LONGEST = 63
"""Bytes of a name in PostgreSQL."""


def name_database(database: str, workspace: str) -> str:
    """The database of a workspace beside the configured one.

    >>> name_database("speech", "calls"), name_database("speech", "default")
    ('speech--calls', 'speech')
    """
    if workspace == DEFAULT_WORKSPACE:
        return database
    name = f"{database}--{workspace}"  # no workspace's name has a hyphen
    if len(name.encode()) <= _LONGEST:
        return name
    return f"thanosql--{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def find_database(url: Url, workspace: str) -> Url:
    """The address of a workspace's database, which is there then.

    Raises:
        Unavailable: the server cannot be reached, or the login may make no database.
    """
    if workspace == DEFAULT_WORKSPACE:
        return url
    with connect(url) as connection:
        name = name_database(connection.info.dbname, workspace)
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            _make(connection, name, workspace)
    return url.set(database=name)


def _make(connection: psycopg.Connection, name: str, workspace: str) -> None:
    row = connection.execute(
        "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    # Texts are compared and sorted as in the first workspace.
    template = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE {} LC_CTYPE {}")
    make = template.format(sql.Identifier(name), sql.Literal(row[0]), sql.Literal(row[1]))
    try:
        # Another catalog_service may have been quicker.
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            connection.execute(make)
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        login = connection.info.user
        raise Unavailable(
            f"the login {login!r} may not make the database of workspace {workspace!r}",
            hint=f'As a superuser: ALTER ROLE "{login}" CREATEDB, or CREATE DATABASE "{name}" OWNER "{login}".',
        ) from error
