"""The cursor of one statement on a DuckDB store, which any thread can stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from thanosql.errors import Cancelled

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore


class StoppableCursor:
    """Opened once, for one statement; `cancel` stops it before, while and after it is open."""

    def __init__(self, store: DuckDBStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._cancelled = False
        self._cursor: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that `cancel` can interrupt while the block lasts."""
        with self._store.running(self) as cursor:
            with self._lock:
                self._cursor = cursor
            try:
                yield cursor
            finally:
                with self._lock:
                    self._cursor = None

    def cancel(self) -> None:
        """Stops the statement; does nothing to one that has ended."""
        with self._lock:
            self._cancelled = True
            if self._cursor is not None:
                self._cursor.interrupt()

    def raise_if_cancelled(self) -> None:
        """Between two calls of DuckDB, where there is nothing to interrupt.

        Raises:
            Cancelled: `cancel` was called.
        """
        if self._cancelled:
            raise Cancelled("the query was cancelled")
