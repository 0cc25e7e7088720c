"""The log of a query's events: bounded, replayable, with back-pressure on the writer."""

from __future__ import annotations

import threading
import time

import pytest

from query_service.running.event_log import EventLog
from thanosql.errors import Cancelled, DataError, NotFound
from thanosql.types import Notice, Progress, Rows

BIG = Rows(b"x" * 1_000)


def read_all(log: EventLog, next_event: int = 0) -> list[int]:
    return [event.number for event in log.read(next_event)]


def test_events_are_read_in_order_with_numbers_without_gaps():
    log = EventLog(10_000, 1.0)
    for i in range(5):
        log.append(Notice(str(i)))
    log.close()
    assert [(event.number, event.event.text) for event in log.read()] == [(i, str(i)) for i in range(5)]


def test_any_number_of_readers_get_everything_from_where_they_begin():
    log = EventLog(10_000, 1.0)
    for i in range(5):
        log.append(Notice(str(i)))
    log.close()
    assert [read_all(log), read_all(log), read_all(log, 3), read_all(log, 5)] == [[0, 1, 2, 3, 4]] * 2 + [[3, 4], []]


def test_the_error_of_the_query_comes_after_its_last_event():
    log = EventLog(10_000, 1.0)
    log.append(Notice("before"))
    log.close(DataError("broken"))
    reader = iter(log.read())
    assert next(reader).event.text == "before"
    with pytest.raises(DataError, match="broken"):
        next(reader)


def test_a_reader_waits_for_events_to_come():
    log = EventLog(10_000, 1.0)
    threading.Timer(0.05, lambda: (log.append(Notice("late")), log.close())).start()
    assert read_all(log) == [0]


def test_a_slow_reader_holds_the_writer_back_and_loses_nothing():
    log = EventLog(3_000, 0.01)
    reader = log.read()
    written = []

    def write():
        for _ in range(20):
            log.append(BIG)
            written.append(time.monotonic())
        log.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    assert len(written) == 2
    assert [event.number for event in reader] == list(range(20))
    writer.join()
    assert log.bytes <= 3_000


def test_what_was_read_is_kept_for_another_reader_while_it_fits():
    log = EventLog(4_000, 1.0)
    reader = iter(log.read())
    for _ in range(10):
        log.append(BIG)
        next(reader)
    log.close()
    assert read_all(log, 7) == [7, 8, 9]
    with pytest.raises(NotFound, match="event 0 of the query is no longer held; events 7 to 10 can be read"):
        log.read(0)


def test_an_event_that_has_not_happened_cannot_be_waited_for():
    with pytest.raises(NotFound, match="event 3 of the query has not happened yet"):
        EventLog(1_000, 1.0).read(3)


def test_an_event_larger_than_the_log_is_taken_all_the_same():
    log = EventLog(100, 1.0)
    log.append(BIG)
    log.close()
    assert read_all(log) == [0]


def test_a_log_that_nobody_reads_stops_the_writer_after_a_while():
    log = EventLog(3_000, 0.05)
    log.append(BIG)
    log.append(BIG)
    with pytest.raises(Cancelled, match=r"its result was not read for 0\.05 seconds"):
        log.append(BIG)


def test_a_reader_that_comes_in_time_saves_the_writer():
    log = EventLog(3_000, 5.0)
    got = []
    threading.Timer(0.1, lambda: got.extend(read_all(log))).start()
    for _ in range(10):
        log.append(BIG)
    log.close()
    time.sleep(0.2)
    assert got == list(range(10))


def test_progress_that_nobody_has_seen_is_overwritten_so_it_never_fills_the_log():
    log = EventLog(1_000, 0.01)
    log.append(Notice("begins"))
    for i in range(10_000):
        log.append(Progress("train", i))
    log.append(Notice("ends"))
    log.close()
    assert [getattr(event.event, "done", None) for event in log.read()] == [None, 9_999, None]


def test_progress_that_was_seen_is_not_overwritten():
    log = EventLog(10_000, 1.0)
    reader = iter(log.read())
    seen = []
    for i in range(3):
        log.append(Progress("train", i))
        seen.append(next(reader))
    assert [(event.number, event.event.done) for event in seen] == [(0, 0), (1, 1), (2, 2)]


def test_an_interrupted_writer_stops_waiting():
    log = EventLog(1_500, 60.0)
    log.append(BIG)
    threading.Timer(0.05, log.interrupt).start()
    with pytest.raises(Cancelled):
        log.append(BIG)


def test_a_closed_reader_stops_waiting_and_holds_nobody_back():
    log = EventLog(2_000, 60.0)
    reader = log.read()
    threading.Timer(0.05, reader.close).start()
    assert list(reader) == []
    log.append(BIG)
