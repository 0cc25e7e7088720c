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
WAIT_SECONDS = 10.0
"""For so long a call waits for room where the stores of others are all in use."""


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
        self._opening: set[str] = set()
        self._closing: set[str] = set()
        self._changed = threading.Condition()
        self._is_closed = False

    @contextmanager
    def of(self, workspace: str) -> Iterator[TableStore]:
        """The tables of a workspace, for the block.

        Raises:
            Overloaded: too many others are in use, and stay so.
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
                self._changed.notify_all()

    @property
    def open_workspaces(self) -> tuple[str, ...]:
        """Those whose tables are open, the first one left out."""
        with self._changed:
            return tuple(self._opened)

    def close(self) -> None:
        """Closes all stores."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._opening and not self._closing)
            stores = [self._first, *(each.store for each in self._opened.values())]
            self._opened.clear()
        for store in stores:
            store.close()

    def _take(self, workspace: str) -> _Opened:
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_closed or self._has_room_for(workspace), WAIT_SECONDS):
                raise Overloaded(
                    f"the tables of {self._most} workspaces are in use",
                    hint="Run the statement again in a while; the setting open_workspaces allows more.",
                    retry_after=2.0,
                )
            if self._is_closed:
                raise stopping("catalog")
            if workspace in self._opened:
                return _use(self._opened[workspace])
            surplus = self._take_out_surplus()
            self._opening.add(workspace)
            self._closing |= surplus.keys()
        try:
            for each in surplus.values():
                each.store.close()
            opened = _Opened(self._open_store(workspace))
            with self._changed:
                self._opened[workspace] = opened
                return _use(opened)
        finally:
            with self._changed:
                self._opening.remove(workspace)
                self._closing -= surplus.keys()
                self._changed.notify_all()

    def _has_room_for(self, workspace: str) -> bool:
        if workspace in self._opened:
            return True
        if workspace in self._opening or workspace in self._closing:  # a file is opened once, and not while it closes
            return False
        in_use = sum(each.users > 0 for each in self._opened.values())
        return in_use + len(self._opening) < self._most

    def _take_out_surplus(self) -> dict[str, _Opened]:
        """What was not used for long, and of the rest the one unused longest where another would be one too many."""
        unused = [name for name, each in self._opened.items() if not each.users]
        unused.sort(key=lambda name: self._opened[name].left_at)
        old = sum(self._clock() - self._opened[name].left_at >= UNUSED_SECONDS for name in unused)
        too_many = len(self._opened) + len(self._opening) + 1 - self._most
        return {name: self._opened.pop(name) for name in unused[: max(old, too_many)]}


def _use(opened: _Opened) -> _Opened:
    opened.users += 1
    return opened
