"""Prepares a PostgreSQL database for the users' tables, and finds the login under which users' SQL runs.

That login may use the users' tables and nothing else: it owns them, and no statement can take it to another role,
since it is logged in as itself. It is made here where the configured login may make roles. Where it may not, it is
the configured login itself, once it is seen to have no more rights than that.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from catalog_service.tables.postgres_functions import functions_sql
from catalog_service.tables.postgres_scoring import SCHEMA as FUNCTIONS
from thanosql.errors import NotSupported, Unavailable

TABLES = "thanosql_tables"
"""The schema of the users' tables."""

OLDEST = 14
"""The oldest release of PostgreSQL that is served."""

_SETTING_UP = 0x7468616E
"""Key of the lock under which one catalog_service at a time prepares the database."""

_CONNECT_SECONDS = 10

_DANGEROUS_ROLES = ("pg_read_server_files", "pg_write_server_files", "pg_execute_server_program", "pg_read_all_data")

Url = sa.URL
"""The address of a database."""


def read_url(text: str) -> Url:
    """The address of the database.

    Raises:
        NotSupported: it is not PostgreSQL's.
        Unavailable: it is no address.
    """
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise Unavailable("the setting tables is not the address of a database", hint=_EXAMPLE) from error
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise NotSupported(f"tables in {url.drivername!r} are not supported", hint=_EXAMPLE)
    return url.set(drivername="postgresql+psycopg")


_EXAMPLE = (
    "Give postgresql://user:password@host/database, the path of a DuckDB file, or nothing for "
    "tables.duckdb in the state folder."
)


def prepare(url: Url) -> Url:
    """Makes the schemas and functions that are missing; the address with the login for users' SQL.

    Raises:
        Unavailable: the server cannot be reached, is too old, or the login has too few rights, or too many.
    """
    with connect(url) as connection:
        _check_server(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", [_SETTING_UP])
        makes_roles = _one(connection, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user")
        try:
            user = _make_user(connection, url) if makes_roles else url
            _make_schemas(connection, user.username if makes_roles else None)
        except psycopg.errors.InsufficientPrivilege as error:
            raise _too_few_rights(connection, url, error) from error
    with connect(user) as connection:
        _check_rights(connection, url)
    return user


def _make_user(connection: psycopg.Connection, url: Url) -> Url:
    """The address with a login of its own for users' SQL, which is made where it is not there."""
    name = _user_name(connection.info.dbname)
    # Every catalog_service that knows the configured password knows this one, and nobody else does.
    own = connection.info.password
    password = hmac.new(own.encode(), name.encode(), hashlib.sha256).hexdigest() if own else secrets.token_hex(32)
    user = url.set(username=name, password=password)
    if not _one(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", name):
        rights = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
        connection.execute(rights.format(sql.Identifier(name)))
        _set_password(connection, name, password)
    elif not _may_connect(user):
        _set_password(connection, name, password)
    for right in ("CONNECT", "TEMPORARY"):
        if not _one(connection, "SELECT has_database_privilege(%s, current_database(), %s)", name, right):
            grant = sql.SQL("GRANT {} ON DATABASE {} TO {}")
            database = sql.Identifier(connection.info.dbname)
            connection.execute(grant.format(sql.SQL(right), database, sql.Identifier(name)))
    return user


def _user_name(database: str) -> str:
    """Roles belong to the whole server, so the name says of which database it is the user.

    >>> _user_name("speech")
    'thanosql_user_of_speech'
    """
    name = f"thanosql_user_of_{database}"
    if len(name.encode()) <= 63:
        return name
    return f"thanosql_user_of_{hashlib.sha256(database.encode()).hexdigest()[:32]}"


def _set_password(connection: psycopg.Connection, name: str, password: str) -> None:
    # As a verifier, so that the server's log never has the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier)))


def _may_connect(url: Url) -> bool:
    try:
        with connect(url):
            return True
    except Unavailable:
        return False


def _make_schemas(connection: psycopg.Connection, user: str | None) -> None:
    """Makes what is missing; the functions are made anew where another release made them."""
    extension = connection.execute(
        "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'fuzzystrmatch'"
    ).fetchone()
    for schema in (TABLES, FUNCTIONS):
        if not _one(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", schema):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        if user is not None and not _one(connection, "SELECT has_schema_privilege(%s, %s, 'USAGE')", user, schema):
            grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
            connection.execute(grant.format(sql.Identifier(schema), sql.Identifier(user)))
    if user is not None and not _one(connection, "SELECT has_schema_privilege(%s, %s, 'CREATE')", user, TABLES):
        grant = sql.SQL("GRANT CREATE ON SCHEMA {} TO {}")
        connection.execute(grant.format(sql.Identifier(TABLES), sql.Identifier(user)))
    if extension is None and _one(
        connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'fuzzystrmatch'"
    ):
        connection.execute(sql.SQL("CREATE EXTENSION fuzzystrmatch SCHEMA {}").format(sql.Identifier(FUNCTIONS)))
        extension = (FUNCTIONS,)
    functions = functions_sql(f'"{extension[0]}".levenshtein' if extension else None)
    mark = hashlib.sha256(functions.encode()).hexdigest()
    if _one(connection, "SELECT obj_description(%s::regnamespace, 'pg_namespace')", FUNCTIONS) != mark:
        with connection.transaction():
            connection.execute(functions.encode())
            comment = sql.SQL("COMMENT ON SCHEMA {} IS {}")
            connection.execute(comment.format(sql.Identifier(FUNCTIONS), sql.Literal(mark)))


def _check_server(connection: psycopg.Connection) -> None:
    version = connection.info.server_version
    if version < OLDEST * 10_000:
        raise Unavailable(
            f"the tables need PostgreSQL {OLDEST} or newer; this is {version // 10_000}", hint="Upgrade the server."
        )
    encoding = _one(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise Unavailable(
            f"the database {connection.info.dbname!r} keeps texts as {encoding}, which is not enough",
            hint="Make a database for the tables: CREATE DATABASE speech ENCODING 'UTF8' TEMPLATE template0.",
        )


_FOREIGN = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', %s)
  AND n.nspname !~ '^pg_(toast|temp)'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  AND NOT has_table_privilege('public', c.oid, 'SELECT')
ORDER BY 1 LIMIT 1
"""


def _check_rights(connection: psycopg.Connection, url: Url) -> None:
    """Whether users' SQL may run under this login.

    Raises:
        Unavailable: it may do or read more than it should.
    """
    name = _one(connection, "SELECT session_user")
    excess = ""
    if _one(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"):
        excess = "is a superuser"
    for role in _DANGEROUS_ROLES:
        if _one(connection, "SELECT pg_has_role(session_user, %s, 'MEMBER')", role):
            excess = f"is a member of {role}"
    if foreign := connection.execute(_FOREIGN, [TABLES]).fetchone():
        excess = f"may read {foreign[0]}, which is no table of the users'"
    if not _one(connection, "SELECT has_database_privilege(current_database(), 'TEMPORARY')"):
        raise Unavailable(
            f"{name!r} may not make temporary tables, in which rows come along with a query",
            hint=f'As the database\'s owner: GRANT TEMPORARY ON DATABASE "{url.database}" TO {name}.',
        )
    if excess:
        raise Unavailable(
            f"users' SQL cannot run as {name!r}: it {excess}",
            hint=f"Give the tables a login of their own: {_grants(url)}",
        )


def _too_few_rights(connection: psycopg.Connection, url: Url, error: psycopg.Error) -> Unavailable:
    return Unavailable(
        f"{_one(connection, 'SELECT session_user')!r} cannot set up the tables: {error.diag.message_primary}",
        hint=f"As a superuser: {_grants(url)}",
    )


def _grants(url: Url) -> str:
    return (
        f"CREATE ROLE thanosql_tables LOGIN PASSWORD '…'; GRANT CREATE, TEMPORARY ON DATABASE \"{url.database}\" TO "
        "thanosql_tables; and name it in the setting tables: postgresql://thanosql_tables:…@host/database."
    )


@contextmanager
def connect(url: Url) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement.

    Raises:
        Unavailable: there is none to be had. The password is not told.
    """
    try:
        engine = sa.create_engine(
            url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS, "autocommit": True}
        )
        raw = engine.raw_connection()
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise Unavailable(
            f"PostgreSQL's driver is missing: {error}", hint="pip install 'thanosql-speech[postgres]'"
        ) from error
    except (DBAPIError, psycopg.Error) as error:
        raise unreachable(url, error) from error
    try:
        connection = raw.driver_connection
        assert isinstance(connection, psycopg.Connection)
        yield connection
    finally:
        raw.close()
        engine.dispose()


def unreachable(url: Url, error: Exception) -> Unavailable:
    """The error for a server that gives no connection."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return Unavailable(
        f"PostgreSQL at {url.render_as_string(hide_password=True)}, where the tables are, cannot be used: {reason}",
        hint="Is it running, and are address, login and password in the setting tables right?",
    )


def _one(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    return None if row is None else row[0]
