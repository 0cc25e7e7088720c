"""Connections to PostgreSQL under the login for users' SQL: each as good as new, and stopped from any thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from catalog_service.tables.insisting import insist
from catalog_service.tables.postgres_login import TABLES, Url, unreachable
from catalog_service.tables.postgres_scoring import SCHEMA as FUNCTIONS
from thanosql.errors import Cancelled, Overloaded

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[object, ...]]

_SETTINGS = {
    # Tables last: the row of a table `text` is a type, which must not stand before PostgreSQL's own.
    "search_path": f"{FUNCTIONS},pg_catalog,{TABLES}",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    # Rows come in the order in which they went in, also where two queries read at once.
    "synchronize_seqscans": "off",
    # Compiling takes longer than most of these queries.
    "jit": "off",
}

_MOST_CONNECTIONS = 32
_KEPT_CONNECTIONS = 8
_WAIT_SECONDS = 10.0
_CLOSE_SECONDS = 10.0
_CANCEL_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
"""Between two wishes to stop a statement that has not ended yet; each takes a connection of its own."""


def prefer_tables(connection: Connection) -> None:
    """Until the transaction ends, a user's table is found before one of PostgreSQL's of the same name."""
    connection.execute(f"SET LOCAL search_path = {FUNCTIONS}, {TABLES}, pg_catalog".encode())


class Running:
    """What a connection does now, for whoever wants to stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self.cancelled = False

    def begin(self, connection: Connection) -> None:
        """From here on `cancel` stops the connection's statements.

        Raises:
            Cancelled: `cancel` was called before.
        """
        with self._lock:
            self._connection = connection
        self.raise_if_cancelled()

    def end(self) -> None:
        """From here on `cancel` does nothing."""
        with self._lock:
            self._connection = None

    def cancel(self) -> None:
        """Stops what runs, from any thread; does nothing to what has ended."""
        self.cancelled = True
        insist(self._interrupt, _AGAIN_SECONDS)

    def _interrupt(self) -> bool:
        with self._lock:
            if self._connection is None or self._connection.closed:
                return False
            try:
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)
            except psycopg.Error:  # the server has gone, and the statement with it
                log.warning("a statement could not be cancelled", exc_info=True)
                return False
            return True

    def raise_if_cancelled(self) -> None:
        """Ends what was cancelled between two statements.

        Raises:
            Cancelled: `cancel` was called.
        """
        if self.cancelled:
            raise Cancelled("the query was cancelled")


class Connections:
    """A pool of them; each call has its own.

    Args:
        url: Of the database, with the login for users' SQL.
        most: Connections at a time.
        kept: Of them, those that stay open unused.
    """

    def __init__(self, url: Url, most: int = _MOST_CONNECTIONS, kept: int = _KEPT_CONNECTIONS) -> None:
        self._url, self._most = url, most
        self._engine = sa.create_engine(
            url,
            pool_size=kept,
            max_overflow=most - kept,
            pool_timeout=_WAIT_SECONDS,
            pool_pre_ping=True,
            pool_reset_on_return=None,  # `_give_back` does more
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
                "application_name": "thanosql catalog_service",
                "client_encoding": "utf8",
                "connect_timeout": int(_WAIT_SECONDS),
                # What was prepared would be gone with DISCARD ALL.
                "prepare_threshold": None,
            },
        )
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._running: set[Running] = set()

    @contextmanager
    def session(self, running: Running | None = None) -> Iterator[Connection]:
        """A connection in a transaction that is committed when the block ends well, and undone when not.

        `running` and `close` can stop what runs in it.

        Raises:
            Overloaded: all connections are in use.
            Unavailable: the server cannot be reached.
        """
        running = running or Running()
        raw = self._take()
        connection = raw.driver_connection
        assert isinstance(connection, psycopg.Connection)
        with self._lock:
            self._running.add(running)
        try:
            running.begin(connection)
            yield connection
            connection.commit()
        finally:
            running.end()
            _give_back(raw, connection, running)
            with self._ended:
                self._running.discard(running)
                self._ended.notify_all()

    def close(self) -> None:
        """Stops what runs and ends the connections."""
        with self._lock:
            running = list(self._running)
        for each in running:
            each.cancel()
        with self._ended:
            if not self._ended.wait_for(lambda: not self._running, timeout=_CLOSE_SECONDS):
                log.warning("%d calls still use the tables", len(self._running))
        self._engine.dispose()

    def _take(self) -> sa.PoolProxiedConnection:
        try:
            return self._engine.raw_connection()
        except PoolTimeoutError as error:
            raise Overloaded(
                f"{self._most} statements use the tables already",
                hint="Run the statement again when one of them has ended.",
                retry_after=2.0,
            ) from error
        except (DBAPIError, psycopg.Error) as error:  # the latter where the server went away since the last statement
            raise unreachable(self._url, error) from error


def _give_back(raw: sa.PoolProxiedConnection, connection: Connection, running: Running) -> None:
    """Gives a connection back as good as new, or ends it: a late cancel must not meet the next statement."""
    usable = False
    if not running.cancelled and not connection.closed:
        with suppress(psycopg.Error):
            if connection.info.transaction_status is not TransactionStatus.ACTIVE:
                connection.rollback()
                connection.autocommit = True
                connection.execute("DISCARD ALL")
                connection.autocommit = False
                usable = True
    if not usable:
        raw.invalidate()
    raw.close()
