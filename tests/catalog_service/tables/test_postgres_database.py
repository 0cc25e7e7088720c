"""Workspaces in PostgreSQL: a database and a login of its own for each, and no way from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from catalog_service.catalog import WriteMode
from catalog_service.tables.postgres_database import name_database
from catalog_service.tables.postgres_store import PostgresStore, open_postgres_store
from tests.catalog_service.tables.store_rows import read, write
from tests.postgres_server import connect
from thanosql.errors import StatementError, Unavailable

NOW = datetime(2025, 3, 1, tzinfo=UTC)
OTHER = "research"


def open_at(url: sa.URL, workspace: str = "default") -> PostgresStore:
    return open_postgres_store(url.render_as_string(hide_password=False), workspace)


@pytest.fixture(scope="module")
def database(postgres: sa.URL, postgres_database: Callable[[], sa.URL]) -> Iterator[sa.URL]:
    """Of a login that may make databases; those of workspaces are dropped at the end."""
    url = postgres_database()
    with connect(postgres) as superuser:
        superuser.execute(f"ALTER ROLE {url.username} CREATEDB".encode())
    yield url
    name = f"{url.database}--{OTHER}"
    with connect(postgres) as superuser:
        superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        superuser.execute(f'DROP ROLE IF EXISTS "thanosql_user_of_{name}"'.encode())


@pytest.fixture(scope="module")
def stores(database: sa.URL) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    """Of the first workspace and of another, each with a table t."""
    first, other = open_at(database), open_at(database, OTHER)
    write(first, "t", {"n": [1]})
    write(other, "t", {"n": [2]})
    write(first, "secret", {"n": [1]})
    yield first, other
    first.close()
    other.close()


def test_the_same_name_is_another_table_in_each_workspace(stores: tuple[PostgresStore, PostgresStore]) -> None:
    first, other = stores
    assert [read(store, "SELECT n FROM t")["n"].to_pylist() for store in stores] == [[1], [2]]
    other.rename("t", "moved", NOW)
    assert [table.name for table in other.tables()] == ["moved"]
    assert [table.name for table in first.tables()] == ["secret", "t"]
    other.rename("moved", "t", NOW)


def test_who_writes_a_table_holds_up_nobody_who_writes_that_of_another_workspace(
    stores: tuple[PostgresStore, PostgresStore],
) -> None:
    first, other = stores
    schema = read(first, "SELECT n FROM t").schema
    with first.writing("t", schema, WriteMode.APPEND, NOW), other.writing("t", schema, WriteMode.APPEND, NOW):
        pass


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secret",
        "SELECT * FROM thanosql_tables.secret",
        "SELECT * FROM {first}.thanosql_tables.secret",
        "SELECT 'secret'::regclass",
        "SELECT has_table_privilege('{first}.thanosql_tables.secret', 'SELECT')",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_database",
    ],
)
def test_no_query_of_one_workspace_reaches_another(
    stores: tuple[PostgresStore, PostgresStore], database: sa.URL, sql: str
) -> None:
    with pytest.raises(StatementError):
        read(stores[1], sql.format(first=database.database))


def test_the_login_of_one_workspace_is_refused_by_the_database_of_another(
    stores: tuple[PostgresStore, PostgresStore], database: sa.URL
) -> None:
    mine, theirs = (name_database(str(database.database), name) for name in ("default", OTHER))
    url = stores[0]._connections._url.set(database=theirs, drivername="postgresql")
    assert url.username == f"thanosql_user_of_{mine}"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url.render_as_string(hide_password=False))


def test_a_login_that_may_make_no_database_is_told_how_it_could(postgres_database: Callable[[], sa.URL]) -> None:
    with pytest.raises(Unavailable, match="may not make the database of workspace 'research'") as caught:
        open_at(postgres_database(), OTHER)
    assert "CREATEDB" in caught.value.hint


def test_a_name_that_is_too_long_for_postgresql_is_shortened_to_one_of_its_own() -> None:
    long = "d" * 60
    names = {name_database(long, "a"), name_database(long, "b"), name_database(long + "x", "a")}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)
