"""The events of one query: written by the thread that does the work, read by callers, bounded in memory and on disk."""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from query_service.running.event_file import EventFile
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
    if isinstance(payload, Progress):
        return _SMALL + 50 * len(payload.figures)
    return _SMALL


class EventLog:
    """Numbered events, held so that a reader who lost its connection, or comes late, misses none.

    The latest are in memory. Beyond `limit` bytes the older ones go to a temporary file, and nothing is forgotten
    until that has `disk_limit` bytes. A result that outgrows both can only be read as it comes: from then on, what
    all readers have taken makes room, and where there is nothing of that kind the writer waits for the slowest
    reader. A progress event that nobody has taken yet is overwritten by the next one, so that progress alone never
    fills the log.

    One thread appends and closes; any may read.

    Args:
        limit: Bytes to hold in memory; one event may be larger.
        unread_seconds: How long the writer of a full log waits in vain where nobody reads at all.
        clock: Seconds, never going back.
        disk_limit: Bytes to hold in the temporary file; 0: there is none.
    """

    def __init__(
        self,
        limit: int,
        unread_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        disk_limit: int = 0,
    ) -> None:
        self._limit = limit
        self._unread_seconds = unread_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._events: deque[tuple[Event, int]] = deque()
        self._file = EventFile(disk_limit)
        self._outgrown = False
        """The file was full once."""
        self._next = 0
        self._taken = 0
        """Events before this number were taken by some reader."""
        self._readers: set[Reader] = set()
        self._reading = 0
        """Readers that are at the file just now."""
        self._closed = self._discarded = self._interrupted = False
        self._error: ThanoSQLError | None = None
        self.bytes = 0
        """Held in memory."""
        self.was_read = False
        """Some reader came to the end."""

    @property
    def next(self) -> int:
        """Number of the event that comes next."""
        return self._next

    @property
    def disk_bytes(self) -> int:
        """Held on disk."""
        return self._file.bytes

    def append(self, payload: Payload) -> None:
        """Adds an event; waits while the log is full.

        Raises:
            Cancelled: the log is full and nobody reads it, or the writer was interrupted.
        """
        size = count_bytes(payload)
        with self._changed:
            if isinstance(payload, Progress) and self._is_last_untaken_progress():
                self.bytes += size - self._events[-1][1]
                self._events[-1] = (Event(self._next - 1, payload), size)
                self._changed.notify_all()
                return
        self._make_room(size)
        with self._changed:
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

    def rest(self) -> None:
        """Moves a closed log's events from memory to the disk, as far as there is room."""
        while True:
            with self._changed:
                if not self._events or self._discarded:
                    return
                event = self._events[0][0]
            if not self._move_to_file(event):
                return

    def discard(self) -> None:
        """Frees the file of a closed log, as soon as its last reader has left."""
        with self._changed:
            self._discarded = True
            self._free()

    def read(self, next_event: int = 0) -> Reader:
        """A reader from an event number on.

        Raises:
            NotFound: that event is no longer held, or there is none of that number yet.
        """
        with self._changed:
            first = self._first
            if self._discarded or not first <= next_event <= self._next:
                why = "has not happened yet" if next_event > self._next else "is no longer held"
                raise NotFound(
                    f"event {next_event} of the query {why}; events {first} to {self._next} can be read",
                    hint="Run the statement again.",
                )
            reader = Reader(self, next_event)
            self._readers.add(reader)
            return reader

    @property
    def _first(self) -> int:
        """Number of the oldest event that is held."""
        return self._next - len(self._events) - len(self._file)

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
            with self._changed:
                if self._interrupted:
                    raise Cancelled("the statement was cancelled")
                if not self._events or self.bytes + size <= self._limit:
                    return
                if self._outgrown and self._forget_first():
                    continue
                oldest = self._events[0][0]
            if self._move_to_file(oldest):
                continue
            with self._changed:
                self._outgrown = True
                if self._forget_first() or self._interrupted:
                    continue
                alone_since = self._wait_for_readers(alone_since)

    def _move_to_file(self, oldest: Event) -> bool:
        """Moves the oldest event in memory; False: there is no room."""
        data = pickle.dumps(oldest.event, pickle.HIGHEST_PROTOCOL)
        offset = self._file.find_room(len(data))
        # Written outside the lock: readers of other events need not wait for the disk.
        if offset is None or not self._file.write(offset, data):
            return False
        with self._changed:
            if self._discarded:
                self._free()
                return False
            self._file.add(offset, len(data), oldest.number)
            self.bytes -= self._events.popleft()[1]
            return True

    def _forget_first(self) -> bool:
        """Forgets the oldest event of all; False: somebody has still to take it."""
        if self._first >= min([reader.done for reader in self._readers], default=self._taken):
            return False
        if len(self._file):
            self._file.forget_first()
        else:
            self.bytes -= self._events.popleft()[1]
        return True

    def _wait_for_readers(self, alone_since: float | None) -> float | None:
        """Waits until something may have changed; since when nobody reads."""
        if self._readers:
            self._changed.wait()
            return None
        now = self._clock()
        alone_since = now if alone_since is None else alone_since
        if now - alone_since >= self._unread_seconds:
            raise Cancelled(
                f"the statement was stopped: its result is larger than is held here, and was not read for "
                f"{self._unread_seconds:g} seconds",
                hint="Run it again and keep reading, or write it into a table: CREATE TABLE … AS …",
            )
        self._changed.wait(self._unread_seconds - (now - alone_since))
        return alone_since

    def _take(self, reader: Reader) -> Event | None:
        """The reader's next event; None at the end, or where the reader was closed."""
        with self._changed:
            reader.done = reader.next
            self._taken = max(self._taken, reader.done)
            self._changed.notify_all()
            while not reader.closed and reader.next == self._next:
                if self._closed:
                    self.was_read = True
                    if self._error is not None:
                        raise self._error.with_traceback(None)  # or it would keep the frames of all its readers
                    return None
                self._changed.wait()
            if reader.closed:
                return None
            number = reader.next
            reader.next += 1
            first = self._next - len(self._events)
            if number >= first:
                return self._events[number - first][0]
            place = self._file.find(number)
            self._reading += 1
        # The place is not written over: `reader.done` holds it, unless the reader is closed meanwhile.
        try:
            data = self._file.read(place)
        finally:
            with self._changed:
                self._reading -= 1
                self._free()
                is_closed = reader.closed
        return None if is_closed else Event(number, pickle.loads(data))

    def _leave(self, reader: Reader) -> None:
        with self._changed:
            reader.closed = True
            self._readers.discard(reader)
            self._free()
            self._changed.notify_all()

    def _free(self) -> None:
        if self._discarded and not self._readers and not self._reading:
            self._file.close()
            self._events.clear()
            self.bytes = 0


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
