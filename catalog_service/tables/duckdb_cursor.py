"""The cursor of one statement on a DuckDB store, which any thread can stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from catalog_service.tables.insisting import insist
from thanosql.errors import Cancelled

if TYPE_CHECKING:
    from catalog_service.tables.duckdb_store import DuckDBStore


_AGAIN_SECONDS = 0.05
"""Between two interruptions of a statement that has not ended yet."""


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
        self._cancelled = True
        insist(self._interrupt, _AGAIN_SECONDS)

    def _interrupt(self) -> bool:
        with self._lock:
            if self._cursor is not None:
                self._cursor.interrupt()
            return self._cursor is not None

    def raise_if_cancelled(self) -> None:
        """Between two calls of DuckDB, where there is nothing to interrupt.

        Raises:
            Cancelled: `cancel` was called.
        """
        if self._cancelled:
            raise Cancelled("the query was cancelled")
