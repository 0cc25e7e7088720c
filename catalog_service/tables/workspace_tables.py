"""The tables of each workspace: the first one's are always open, others' while they are used and a while longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from catalog_service.tables.store import TableStore
from thanosql.errors import Overloaded, stopping
from thanosql.workspace import DEFAULT_WORKSPACE

UNUSED_SECONDS = 600.0
"""So long after its last use a store is closed, when another is opened."""


@dataclass(slots=True)
class _Opened:
    store: TableStore
    users: int = 0
    left_at: float = 0.0


class WorkspaceTables:
    """Lends stores to calls.

    Args:
        first: The store of the first workspace.
        open_store: Opens that of another one.
        most: Others that are open at once.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        first: TableStore,
        open_store: Callable[[str], TableStore],
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._open_store, self._most, self._clock = first, open_store, most, clock
        self._opened: dict[str, _Opened] = {}
        self._changing: set[str] = set()
        """Workspaces whose stores are being opened or closed: a file is never both."""
        self._changed = threading.Condition()
        self._is_closed = False

    @contextmanager
    def of(self, workspace: str) -> Iterator[TableStore]:
        """The tables of a workspace, for the block.

        Raises:
            Overloaded: too many others are in use.
            Unavailable: they cannot be opened.
        """
        if workspace == DEFAULT_WORKSPACE:
            yield self._first
            return
        opened = self._take(workspace)
        try:
            yield opened.store
        finally:
            with self._changed:
                opened.users -= 1
                opened.left_at = self._clock()

    @property
    def open_workspaces(self) -> tuple[str, ...]:
        """Those whose tables are open, the first one left out."""
        with self._changed:
            return tuple(self._opened)

    def close(self) -> None:
        """Closes all stores."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._changing)
            stores = [self._first, *(each.store for each in self._opened.values())]
            self._opened.clear()
        for store in stores:
            store.close()

    def _take(self, workspace: str) -> _Opened:
        with self._changed:
            self._changed.wait_for(lambda: workspace not in self._changing)
            if self._is_closed:
                raise stopping("catalog")
            if workspace in self._opened:
                return self._use(self._opened[workspace])
            surplus = self._choose_surplus()
            self._changing |= {workspace, *surplus}
        try:
            for each in surplus.values():
                each.store.close()
            store = self._open_store(workspace)
            with self._changed:
                opened = self._opened[workspace] = _Opened(store)
                return self._use(opened)
        finally:
            with self._changed:
                self._changing -= {workspace, *surplus}
                self._changed.notify_all()

    def _use(self, opened: _Opened) -> _Opened:
        opened.users += 1
        return opened

    def _choose_surplus(self) -> dict[str, _Opened]:
        """Takes out what was not used for long, and the one unused longest where there is no room for another.

        Raises:
            Overloaded: all are in use.
        """
        unused = [name for name, each in self._opened.items() if not each.users]
        unused.sort(key=lambda name: self._opened[name].left_at)
        old = [name for name in unused if self._clock() - self._opened[name].left_at >= UNUSED_SECONDS]
        opening = sum(name not in self._opened for name in self._changing)
        too_many = len(self._opened) + opening + 1 - self._most
        chosen = unused[: max(len(old), too_many, 0)]
        if len(chosen) < too_many:
            raise Overloaded(
                f"the tables of {self._most} workspaces are in use",
                hint="Run the statement again in a while; the setting open_workspaces allows more.",
                retry_after=2.0,
            )
        return {name: self._opened.pop(name) for name in chosen}
