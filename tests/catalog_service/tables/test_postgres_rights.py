"""What users' SQL may do in PostgreSQL: the engine's own lock behind the guard, and the logins it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from catalog_service.schema.database import open_database
from catalog_service.tables.postgres_query import describe
from catalog_service.tables.postgres_store import PostgresStore, open_postgres_store
from tests.catalog_service.tables.store_rows import read, rows_of, write
from tests.postgres_server import connect
from thanosql.errors import StatementError, Unavailable

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def open_at(url: sa.URL) -> PostgresStore:
    return open_postgres_store(url.render_as_string(hide_password=False))


@pytest.fixture(scope="module")
def database(postgres_database: Callable[[], sa.URL]) -> sa.URL:
    """A database with metadata in it."""
    url = postgres_database()
    open_database(url.render_as_string(hide_password=False), NOW).close()
    return url


@pytest.fixture(scope="module")
def store(database: sa.URL) -> Iterator[PostgresStore]:
    """A store in the metadata's database, with the table t."""
    opened = open_at(database)
    write(opened, "t", {"a": [1]})
    yield opened
    opened.close()


@pytest.fixture
def login(postgres: sa.URL, database: sa.URL) -> Iterator[sa.URL]:
    """A login without any rights."""
    name = f"plain_{database.database}"
    with connect(postgres) as superuser:
        superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain secret'")
    yield postgres.set(database=database.database, username=name, password="plain secret")
    with connect(postgres.set(database=database.database)) as superuser:
        superuser.execute(f"DROP OWNED BY {name} CASCADE")
        superuser.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "COPY t FROM '/etc/passwd'",
        "COPY t TO '/tmp/out.csv'",
        "COPY t TO PROGRAM 'cat'",
        "COPY t FROM PROGRAM 'id'",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT * FROM public.models",
        "SELECT query_to_xml('SELECT * FROM public.models', true, true, '')",
        "DELETE FROM public.transcripts",
        "CREATE TABLE public.mine (a int)",
        "CREATE FUNCTION thanosql_functions.sum(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "CREATE OR REPLACE FUNCTION thanosql_functions.thanosql_words(text, text) RETURNS bigint"
        " LANGUAGE sql AS 'SELECT 1::bigint'",
        "DROP FUNCTION thanosql_functions.thanosql_words",
        "DROP SCHEMA thanosql_functions CASCADE",
        "DROP SCHEMA thanosql_tables CASCADE",
        "CREATE EXTENSION file_fdw",
        "CREATE LANGUAGE plpython3u",
        "SET ROLE {login}",
        "SELECT set_config('role', '{login}', false)",
        "SET SESSION AUTHORIZATION {login}",
        "ALTER ROLE {user} SUPERUSER",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "ALTER SYSTEM SET fsync = off",
        "ALTER DATABASE {database} SET search_path = public",
        "LOAD 'dblink'",
    ],
)
def test_the_engine_refuses_what_the_guard_would_let_through(store: PostgresStore, database: sa.URL, sql: str) -> None:
    names = {"login": database.username, "user": f"thanosql_user_of_{database.database}", "database": database.database}
    with store._connections.session() as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql.format(**names).encode())
        # Refused, and not just wrong.
        assert caught.value.sqlstate is not None
        assert caught.value.sqlstate[:2] != "42" or caught.value.sqlstate == "42501"
        connection.rollback()


def test_no_role_is_left_to_go_back_to(store: PostgresStore, database: sa.URL) -> None:
    with store._connections.session() as connection:
        connection.execute("RESET ROLE")
        connection.execute("RESET SESSION AUTHORIZATION")
        row = connection.execute("SELECT session_user, current_user, current_setting('is_superuser')").fetchone()
    user = f"thanosql_user_of_{database.database}"
    assert row == (user, user, "off")


def test_a_query_cannot_leave_its_read_only_transaction(store: PostgresStore) -> None:
    for sql in ("INSERT INTO t VALUES (2)", "SELECT set_config('transaction_read_only', 'off', false)",
                "SET TRANSACTION READ WRITE"):  # fmt: skip
        with store._connections.session() as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute("SELECT 1")
            with pytest.raises(psycopg.Error):
                connection.execute(sql.encode())
            connection.rollback()
    assert rows_of(store, "SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    "sql", ["SELECT 1; DELETE FROM t", "SELECT 1) AS q; DELETE FROM t; SELECT * FROM (SELECT 1", "SELECT 1 AS a;"]
)
def test_two_statements_in_one_text_are_none(store: PostgresStore, sql: str) -> None:
    with store._connections.session() as connection:
        with pytest.raises(psycopg.errors.SyntaxError):
            describe(connection, sql)
        connection.rollback()
    assert rows_of(store, "SELECT a FROM t") == [(1,)]


def test_a_change_of_two_statements_is_none_even_where_the_guard_would_let_it(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog_service.tables import postgres_change
    from catalog_service.tables.postgres_guard import Checked

    passing = Checked(frozenset(), frozenset(), "t")
    monkeypatch.setattr(postgres_change, "check_change", lambda _: passing)
    with pytest.raises(StatementError):
        store.change("UPDATE t SET a = 2; DROP TABLE t", NOW).run()
    assert rows_of(store, "SELECT a FROM t") == [(1,)]


def test_a_superuser_s_login_is_not_what_users_sql_runs_under(
    postgres_database: Callable[[], sa.URL], postgres: sa.URL
) -> None:
    url = postgres_database()
    with closing(open_at(postgres.set(database=url.database))) as store, store._connections.session() as connection:
        row = connection.execute(
            "SELECT session_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user"
        ).fetchone()
    assert row == (f"thanosql_user_of_{url.database}", False)


def test_a_login_that_may_only_create_in_its_database_is_used_itself(
    postgres_database: Callable[[], sa.URL], postgres: sa.URL, login: sa.URL
) -> None:
    url = postgres_database()
    with connect(postgres.set(database=url.database)) as superuser:
        superuser.execute(f"GRANT CREATE ON DATABASE {url.database} TO {login.username}")
    with closing(open_at(login.set(database=url.database))) as store:
        write(store, "t", {"a": [1]})
        assert rows_of(store, "SELECT session_user, thanosql_words('a b', '') FROM t") == [(login.username, 2)]
    with connect(postgres.set(database=url.database)) as superuser:
        superuser.execute("CREATE TABLE public.models (a int)")
        superuser.execute(f"GRANT SELECT ON public.models TO {login.username}")
    with pytest.raises(Unavailable, match=r"it may read public\.models") as caught:
        open_at(login.set(database=url.database))
    assert "CREATE ROLE" in caught.value.hint
    with connect(postgres.set(database=url.database)) as superuser:
        superuser.execute(f"REVOKE ALL ON public.models FROM {login.username}")
        superuser.execute(f"GRANT pg_read_server_files TO {login.username}")
    with pytest.raises(Unavailable, match="is a member of pg_read_server_files"):
        open_at(login.set(database=url.database))
    with connect(postgres.set(database=url.database)) as superuser:
        superuser.execute(f"DROP OWNED BY {login.username} CASCADE")


def test_a_login_without_rights_is_told_which_it_needs(postgres_database: Callable[[], sa.URL], login: sa.URL) -> None:
    url = postgres_database()
    with pytest.raises(Unavailable, match="cannot set up the tables") as caught:
        open_at(login.set(database=url.database))
    assert f'GRANT CREATE, TEMPORARY ON DATABASE "{url.database}"' in caught.value.hint


def test_the_user_is_let_in_again_after_the_login_s_password_has_changed(
    postgres_database: Callable[[], sa.URL], postgres: sa.URL
) -> None:
    url = postgres_database()
    with closing(open_at(url)) as store:
        write(store, "t", {"a": [1]})
    with connect(postgres) as superuser:
        superuser.execute(f"ALTER ROLE {url.username} PASSWORD 'changed'")
    with closing(open_at(url.set(password="changed"))) as store:
        assert rows_of(store, "SELECT a FROM t") == [(1,)]


def test_a_wrong_password_is_told_without_it(database: sa.URL) -> None:
    with suppress(psycopg.OperationalError), connect(database.set(password="wrong-one")):
        pytest.skip("this server asks nobody for a password")
    with pytest.raises(Unavailable, match="password authentication failed") as caught:
        open_at(database.set(password="wrong-one"))
    assert "wrong-one" not in str(caught.value)


def test_a_database_that_cannot_keep_every_text_is_refused(postgres: sa.URL, database: sa.URL) -> None:
    name = f"{database.database}_latin"
    with connect(postgres) as superuser:
        superuser.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(Unavailable, match="LATIN1"):
            open_at(postgres.set(database=name))
    finally:
        with connect(postgres) as superuser:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_functions_that_another_release_made_are_made_anew(database: sa.URL, store: PostgresStore) -> None:
    with connect(database) as owner:
        owner.execute("COMMENT ON SCHEMA thanosql_functions IS 'of old'")
        owner.execute("DROP FUNCTION thanosql_functions.thanosql_words")
    with closing(open_at(database)) as other:
        assert read(other, "SELECT thanosql_words('a b c', 'a') AS n")["n"].to_pylist() == [3]
