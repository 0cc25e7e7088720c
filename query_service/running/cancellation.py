"""Stops a running query from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from thanosql.errors import Cancelled, ThanoSQLError


class Cancellation:
    """Whether a query shall stop, and what to do at that moment so that no wait goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._actions: list[Callable[[], None]] = []
        self._error: ThanoSQLError = Cancelled("the statement was cancelled")
        self.stops_jobs = False
        """The training job that the query has started is to stop too."""

    @property
    def is_set(self) -> bool:
        """The query shall stop."""
        return self._stopped.is_set()

    def cancel(self, error: ThanoSQLError | None = None, *, stops_jobs: bool = True) -> bool:
        """Stops the query; it ends with `error`. False: it was stopped before."""
        with self._lock:
            if self._stopped.is_set():
                return False
            if error is not None:
                self._error = error
            self.stops_jobs = stops_jobs
            self._stopped.set()
            actions = list(self._actions)
        for action in actions:
            action()
        return True

    def when_cancelled(self, action: Callable[[], None]) -> None:
        """Calls `action` at the moment when the query is stopped; at once where it is stopped already."""
        with self._lock:
            self._actions.append(action)
            already = self._stopped.is_set()
        if already:
            action()

    def forget(self, action: Callable[[], None]) -> None:
        """Calls `action` no more: what it would end has ended."""
        with self._lock:
            if action in self._actions:
                self._actions.remove(action)

    def check(self) -> None:
        """Raises the error that the query ends with, where it shall stop."""
        if self._stopped.is_set():
            raise self.error()

    def wait(self, seconds: float) -> None:
        """Waits, unless the query is stopped meanwhile: then it raises like `check`."""
        self._stopped.wait(seconds)
        self.check()

    def error(self) -> ThanoSQLError:
        """What a stopped query ends with."""
        return type(self._error)(self._error.message, hint=self._error.hint)
