"""The log of a query's events against a model of it: whatever is written, read and left, in any order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, precondition, rule

from query_service.running.event_log import EventLog, Reader
from thanosql.errors import Cancelled
from thanosql.types import Event, Notice, Progress, Rows

SIZES = st.sampled_from([0, 10, 200, 700, 3_000])


class TellingLog(EventLog):
    """A log that tells when its writer is about to wait."""

    told: threading.Semaphore

    def _wait_for_readers(self, alone_since: float | None) -> float | None:
        self.told.release()
        return super()._wait_for_readers(alone_since)


class Reading:
    """A reader of the machine. Only with its question for the next event it says that it has dealt with the last."""

    def __init__(self, reader: Reader, pool: ThreadPoolExecutor) -> None:
        self.reader = reader
        self.next = reader.next
        """Number of the event that it gets next."""
        self._events: Iterator[Event] = iter(reader)
        self._pool = pool
        self._asked: Future[Event | None] | None = None

    def ask(self) -> None:
        """Asks for the next event, and does not wait for it."""
        if self._asked is None:
            self._asked = self._pool.submit(next, self._events, None)

    def take(self) -> Event | None:
        """The next event; None at the end."""
        self.ask()
        assert self._asked is not None
        event, self._asked = self._asked.result(10), None
        self.next += event is not None
        return event


class LogMachine(RuleBasedStateMachine):
    """A list of events is the model; the log may forget only what it must, and readers see each event once."""

    readers = Bundle("readers")

    @initialize(limit=st.sampled_from([500, 2_000]), disk_limit=st.sampled_from([0, 2_500, 8_000]))
    def begin(self, limit: int, disk_limit: int) -> None:
        self.log = TellingLog(limit, 0.0, disk_limit=disk_limit)
        self.limit, self.disk_limit = limit, disk_limit
        self.events: list[Any] = []
        self.written = 0
        """Bytes of all events, about."""
        self.asked = 0
        """The furthest event that any reader ever asked for: those before it are surely taken."""
        self.open: list[Reading] = []
        self.ended = False
        self.pool = ThreadPoolExecutor(64)

    @precondition(lambda self: not self.ended)
    @rule(size=SIZES)
    def write_rows(self, size: int) -> None:
        self._append(Rows(len(self.events).to_bytes(2) * size))

    @precondition(lambda self: not self.ended)
    @rule()
    def write_notice(self) -> None:
        self._append(Notice(str(len(self.events))))

    @precondition(lambda self: not self.ended)
    @rule(done=st.integers(0, 9))
    def write_progress(self, done: int) -> None:
        payload = Progress("train", done)
        taken = max([self.asked, *(reading.next for reading in self.open)])
        if self.events and isinstance(self.events[-1], Progress) and len(self.events) > taken:
            self.log.append(payload)
            self.events[-1] = payload
        else:
            self._append(payload)

    @rule(target=readers, back=st.integers(0, 30))
    def attach(self, back: int) -> Reading:
        number = max(0, len(self.events) - back)
        if self._may_have_forgotten():
            number = max(number, self.log._first)
        reading = Reading(self.log.read(number), self.pool)
        self.open.append(reading)
        return reading

    @rule(reading=readers, count=st.integers(1, 5))
    def read(self, reading: Reading, count: int) -> None:
        for _ in range(count):
            self._read_one(reading)

    @rule(reading=consumes(readers))
    def leave(self, reading: Reading) -> None:
        reading.reader.close()
        self.open.remove(reading)

    @precondition(lambda self: not self.ended and len(self.events) > 12)
    @rule()
    def end(self) -> None:
        self.log.close()
        self.ended = True

    @precondition(lambda self: self.ended)
    @rule()
    def rest(self) -> None:
        self.log.rest()

    def teardown(self) -> None:
        if not hasattr(self, "log"):
            return
        self.log.close()
        for reading in self.open:
            while reading.next < len(self.events):
                self._read_one(reading)
            assert reading.take() is None
        self.pool.shutdown()
        self.log.discard()
        assert self.log.disk_bytes == 0

    def _append(self, payload: Any) -> None:
        """Writes; where the log is full the readers have to go on, and where there is none the writer is stopped."""
        failure: list[Cancelled] = []
        ended = threading.Event()
        self.log.told = threading.Semaphore(0)

        def write() -> None:
            try:
                self.log.append(payload)
            except Cancelled as error:
                failure.append(error)
            ended.set()
            self.log.told.release()

        self.pool.submit(write)
        assert self.log.told.acquire(timeout=10)
        asks = not ended.is_set()
        if asks:
            for reading in self.open:
                while reading.next < len(self.events):
                    self._read_one(reading)
                self.asked = max(self.asked, reading.next)
                reading.ask()
        assert ended.wait(10), "the writer waits, though all has been read"
        if failure:
            assert not self.open, "a log that somebody reads was given up"
            assert self._may_have_forgotten(len(payload.ipc) if isinstance(payload, Rows) else 0)
            self.log.close()
            self.ended = True
            return
        self.events.append(payload)
        self.written += 500 + (len(payload.ipc) if isinstance(payload, Rows) else 0)
        assert self.log.disk_bytes <= self.disk_limit
        for reading in self.open if asks else ():
            self._read_one(reading)

    def _read_one(self, reading: Reading) -> None:
        if reading.next == len(self.events):
            return
        number = reading.next
        self.asked = max(self.asked, number)
        assert reading.take() == Event(number, self.events[number])

    def _may_have_forgotten(self, more: int = 0) -> bool:
        return self.written + more + 1_000 > self.limit + self.disk_limit // 2


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
