"""Opens the metadata database: makes a new one, upgrades an old one, refuses a newer one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from catalog_service.catalog import first_model
from catalog_service.schema.definitions import HEAD, metadata, model_names, models, workspaces
from thanosql.errors import DataError, InternalError, Unavailable
from thanosql.workspace import DEFAULT_WORKSPACE

_WRITERS = 0x7468616E6F73
"""Key of the lock that the writing transaction holds in PostgreSQL."""

BUSY_SECONDS = 20
"""How long a write waits for another process's, in SQLite."""

# As Alembic makes it.
_revisions = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class Database:
    """The metadata, ready for use; closed with `close`."""

    def __init__(self, url: str) -> None:
        self._url = _shown(url)
        self._engine = _make_engine(url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, and sees one moment."""
        with _translated(self._url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; there is one at a time, from its first statement on."""
        with (
            _translated(self._url),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            if connection.dialect.name == "postgresql":
                # As SQLite does by itself: what was read is still true when it is written.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))
            yield connection

    @property
    def connections(self) -> tuple[int, int]:
        """Connections in use, and idle in the pool."""
        pool: Any = self._engine.pool
        return pool.checkedout(), pool.checkedin()

    def close(self) -> None:
        """Frees the files."""
        self._engine.dispose()


def open_database(url: str, now: datetime) -> Database:
    """Opens the database at `url`, with today's schema.

    A new database is made whole at today's schema and starts with the model of the tutorial; Alembic
    is loaded only for an older one.

    Raises:
        Unavailable: it cannot be opened.
        DataError: it is another program's, or damaged, or of a newer release.
    """
    database = Database(url)
    try:
        with database.write() as connection:
            _bring_up_to_date(connection, _shown(url), now)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Failures of the database's files in words for the user; a fault of ours stays as it is."""
    try:
        yield
    except DBAPIError as error:
        problem = str(error.orig)
        if "not a database" in problem or "malformed" in problem:
            raise DataError(
                f"the metadata database {url} is damaged: {problem}",
                hint="Put a copy of it back, or move the file away to start with empty metadata.",
            ) from error
        if isinstance(error, OperationalError):
            raise Unavailable(
                f"the metadata database {url} cannot be used: {problem}",
                hint="Is the server running, and are address, login and password right?"
                if "postgresql" in url
                else "Is its folder there and writable, is the disk full, or is another process holding it?",
            ) from error
        raise


def _shown(url: str) -> str:
    """An address without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that was given"


def _make_engine(url: str) -> sa.Engine:
    hint = "Give a URL such as sqlite:///state/metadata.sqlite, and install its driver."
    try:
        address = sa.make_url(url)
        if address.drivername in ("postgres", "postgresql"):
            address = address.set(drivername="postgresql+psycopg")
        # A server may have been started anew since the last statement.
        engine = sa.create_engine(address, pool_pre_ping=True)
    except ArgumentError as error:  # which may tell the password
        raise Unavailable("the metadata database cannot be used: its address is not a URL", hint=hint) from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise Unavailable(f"the metadata database {_shown(url)} cannot be used: {error}", hint=hint) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: _set_up_sqlite(connection))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any) -> None:
    # The driver begins transactions late and by its own rules; `_begin_sqlite` begins them instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # With WAL a power cut may lose the last commits, never the database.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(connection: sa.Connection, url: str, now: datetime) -> None:
    inspector = sa.inspect(connection)
    if not inspector.has_table(_revisions.name):
        others = inspector.get_table_names()
        if others:
            raise DataError(
                f"the database {url} is not this program's: it has the tables {', '.join(others[:5])}",
                hint="Give an empty database.",
            )
        _create(connection, now)
        return
    stored = connection.scalar(sa.select(_revisions.c.version_num))
    if stored != HEAD:
        from catalog_service.schema.migrate import knows, upgrade  # loads Alembic

        if stored is None or not knows(stored):
            raise DataError(
                f"the metadata database {url} was written by a newer release: "
                f"its revision is {stored}, this program knows those up to {HEAD}",
                hint="Install the newer release again (pip install -U thanosql-speech), or use another state folder.",
            )
        upgrade(connection)
        if connection.scalar(sa.select(_revisions.c.version_num)) != HEAD:
            raise InternalError(f"the migrations do not lead to revision {HEAD}")


def _create(connection: sa.Connection, now: datetime) -> None:
    metadata.create_all(connection)
    _revisions.create(connection)
    connection.execute(_revisions.insert().values(version_num=HEAD))
    _found(connection, DEFAULT_WORKSPACE, now)


def _found(connection: sa.Connection, workspace: str, now: datetime) -> None:
    """Writes down a new workspace, which starts with a model."""
    connection.execute(workspaces.insert().values(name=workspace, created_at=now))
    first = first_model(now)
    names = {"workspace": workspace, "name": first.name, "last_version": first.version}
    connection.execute(model_names.insert().values(names))
    values = asdict(first) | {"state": first.state.value, "workspace": workspace}
    connection.execute(models.insert().values(values))


def found_workspace(database: Database, workspace: str, now: datetime) -> bool:
    """Writes down a workspace, where it is new; whether it was."""
    is_meant = sa.select(workspaces.c.name).where(workspaces.c.name == workspace)
    with database.read() as connection:
        if connection.execute(is_meant).first() is not None:
            return False
    with database.write() as connection:
        if connection.execute(is_meant).first() is not None:
            return False
        _found(connection, workspace, now)
        return True
