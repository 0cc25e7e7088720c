"""The events of one query: written by the thread that does the work, read by callers, bounded in bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from thanosql.errors import Cancelled, NotFound, ThanoSQLError
from thanosql.types import Clip, Event, Notice, Progress, Rows, StatementDone, StatementStarted

Payload = StatementStarted | Rows | Progress | Notice | Clip | StatementDone

_SMALL = 300
"""Bytes that are counted for an event beside its content."""


def count_bytes(payload: Payload) -> int:
    """About how much memory an event takes."""
    if isinstance(payload, Rows):
        return _SMALL + len(payload.ipc)
    if isinstance(payload, Clip):
        return _SMALL + len(payload.audio)
    if isinstance(payload, StatementStarted):
        return _SMALL + len(payload.statement)
    return _SMALL


class EventLog:
    """Numbered events, the latest of them held so that a reader who lost its connection can go on.

    When `limit` bytes are held, the writer waits for the slowest reader; events that all readers have taken
    make room. A progress event that nobody has taken yet is overwritten by the next one, so that progress
    alone never fills the log.

    Args:
        limit: Bytes to hold; one event may be larger.
        unread_seconds: How long the writer waits in vain where nobody reads at all.
        clock: Seconds, never going back.
    """

    def __init__(self, limit: int, unread_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._unread_seconds = unread_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._events: deque[tuple[Event, int]] = deque()
        self._next = 0
        self._taken = 0
        """Events before this number were taken by some reader."""
        self._readers: set[Reader] = set()
        self._closed = False
        self._interrupted = False
        self._error: ThanoSQLError | None = None
        self.bytes = 0

    def append(self, payload: Payload) -> None:
        """Adds an event; waits while the log is full.

        Raises:
            Cancelled: the log is full and nobody reads it, or the writer was interrupted.
        """
        size = count_bytes(payload)
        with self._changed:
            if isinstance(payload, Progress) and self._is_last_untaken_progress():
                self._events[-1] = (Event(self._next - 1, payload), size)
                self._changed.notify_all()
                return
            self._make_room(size)
            self._events.append((Event(self._next, payload), size))
            self._next += 1
            self.bytes += size
            self._changed.notify_all()

    def close(self, error: ThanoSQLError | None = None) -> None:
        """Ends the log; readers get `error` after the last event."""
        with self._changed:
            self._closed, self._error = True, error
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Ends a writer's wait."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def read(self, next_event: int = 0) -> Reader:
        """A reader from an event number on.

        Raises:
            NotFound: that event is no longer held, or there is none of that number yet.
        """
        with self._changed:
            first = self._next - len(self._events)
            if not first <= next_event <= self._next:
                why = "is no longer held" if next_event < first else "has not happened yet"
                raise NotFound(
                    f"event {next_event} of the query {why}; events {first} to {self._next} can be read",
                    hint="Run the statement again.",
                )
            reader = Reader(self, next_event)
            self._readers.add(reader)
            return reader

    def _is_last_untaken_progress(self) -> bool:
        if not self._events or self._interrupted:
            return False
        last = self._events[-1][0]
        # A reader takes an event before it says so, hence the position of each.
        taken = max([self._taken, *(reader.next for reader in self._readers)])
        return isinstance(last.event, Progress) and last.number >= taken

    def _make_room(self, size: int) -> None:
        alone_since: float | None = None
        while True:
            if self._interrupted:
                raise Cancelled("the statement was cancelled")
            keep_from = min([reader.done for reader in self._readers], default=self._taken)
            while self._events and self.bytes + size > self._limit and self._events[0][0].number < keep_from:
                self.bytes -= self._events.popleft()[1]
            if not self._events or self.bytes + size <= self._limit:
                return
            if self._readers:
                alone_since = None
                self._changed.wait()
                continue
            now = self._clock()
            alone_since = now if alone_since is None else alone_since
            if now - alone_since >= self._unread_seconds:
                raise Cancelled(
                    f"the statement was stopped: its result was not read for {self._unread_seconds:g} seconds",
                    hint="Run it again, and keep reading.",
                )
            self._changed.wait(self._unread_seconds - (now - alone_since))

    def _take(self, reader: Reader) -> Event | None:
        """The reader's next event; None at the end, or where the reader was closed."""
        with self._changed:
            reader.done = reader.next
            self._taken = max(self._taken, reader.done)
            self._changed.notify_all()
            while not reader.closed:
                if reader.next < self._next:
                    first = self._next - len(self._events)
                    event = self._events[reader.next - first][0]
                    reader.next += 1
                    return event
                if self._closed:
                    if self._error is not None:
                        raise self._error
                    return None
                self._changed.wait()
            return None

    def _leave(self, reader: Reader) -> None:
        with self._changed:
            reader.closed = True
            self._readers.discard(reader)
            self._changed.notify_all()


class Reader:
    """One caller's place in a log; an iterator over the events, ended by `close` from any thread."""

    def __init__(self, log: EventLog, next_event: int) -> None:
        self._log = log
        self.next = next_event
        """Number of the event to take next."""
        self.done = next_event
        """Events before this number were dealt with."""
        self.closed = False

    def __iter__(self) -> Iterator[Event]:
        try:
            while (event := self._log._take(self)) is not None:
                yield event
        finally:
            self.close()

    def close(self) -> None:
        """Leaves the log; a wait for the next event ends."""
        self._log._leave(self)
