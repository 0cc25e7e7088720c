"""The log of a query's events: bounded in memory and on disk, replayable, with back-pressure on the writer."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from query_service.running import event_file
from query_service.running.event_file import EventFile
from query_service.running.event_log import EventLog
from thanosql.errors import Cancelled, DataError, NotFound
from thanosql.types import Clip, Notice, Progress, Rows

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

    writer = threading.Thread(target=write, daemon=True)
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
    with pytest.raises(Cancelled, match=r"was not read for 0\.05 seconds"):
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


@pytest.fixture
def with_disk():
    """Makes logs of 3,000 bytes in memory; their files are freed at the end."""
    logs = []

    def make(disk_limit=1 << 20, unread_seconds=0.05):
        logs.append(EventLog(3_000, unread_seconds, disk_limit=disk_limit))
        return logs[-1]

    yield make
    for log in logs:
        log.discard()


def test_what_memory_does_not_hold_goes_to_disk_and_nothing_is_missed(with_disk):
    log = with_disk()
    written = [Rows(bytes([i]) * 1_000) for i in range(50)] + [Clip("a.wav", "audio/wav", b"x" * 2_000)]
    for payload in written:
        log.append(payload)
    log.close()
    assert log.bytes <= 3_000
    assert log.disk_bytes > 45_000
    assert [event.event for event in log.read()] == written
    assert read_all(log, 49) == [49, 50]


def test_a_reader_who_keeps_up_finds_nothing_on_disk_while_memory_holds_it(with_disk):
    log = with_disk()
    reader = iter(log.read())
    for _ in range(2):
        log.append(BIG)
        next(reader)
    assert log.disk_bytes == 0


def test_what_was_read_is_kept_too_until_the_disk_is_full(with_disk):
    log = with_disk(disk_limit=20_000)
    reader = iter(log.read())
    for _ in range(15):
        log.append(BIG)
        next(reader)
    log.read(0).close()
    for _ in range(100):
        log.append(BIG)
        next(reader)
    assert log.disk_bytes <= 20_000
    with pytest.raises(NotFound, match="no longer held"):
        log.read(0)


def test_a_full_disk_holds_the_writer_back_until_the_reader_goes_on(with_disk):
    log = with_disk(disk_limit=10_000, unread_seconds=60.0)
    reader = log.read()
    written = []

    def write():
        for _ in range(50):
            log.append(BIG)
            written.append(1)
        log.close()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    time.sleep(0.2)
    assert 8 < len(written) < 13
    assert [event.number for event in reader] == list(range(50))
    writer.join()


def test_a_full_disk_that_nobody_reads_stops_the_writer_after_a_while(with_disk):
    log = with_disk(disk_limit=10_000)
    while log.disk_bytes < 8_000:
        log.append(BIG)
    log.append(BIG)
    with pytest.raises(Cancelled, match=r"larger than is held here, and was not read for 0\.05 seconds"):
        log.append(BIG)


def test_a_disk_that_takes_nothing_is_done_without(with_disk, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_file.os, "pwrite", full)
    log = with_disk()
    reader = log.read()
    got = []
    thread = threading.Thread(target=lambda: got.extend(event.number for event in reader), daemon=True)
    thread.start()
    for _ in range(20):
        log.append(BIG)
    log.close()
    thread.join()
    assert got == list(range(20))
    assert caplog.text.count("No space left on device") == 1


def test_an_ended_log_rests_on_disk(with_disk):
    log = with_disk()
    for i in range(5):
        log.append(Notice(str(i)))
    log.close()
    log.rest()
    assert log.bytes == 0
    assert [event.event.text for event in log.read(2)] == ["2", "3", "4"]


def test_a_discarded_log_is_read_to_the_end_by_who_reads_it(with_disk):
    log = with_disk()
    for _ in range(20):
        log.append(BIG)
    log.close()
    reader = iter(log.read())
    next(reader)
    log.discard()
    with pytest.raises(NotFound):
        log.read(0)
    assert len(list(reader)) == 19
    assert log.disk_bytes == 0


def test_readers_come_and_go_in_a_busy_log_and_see_each_event_as_it_was(with_disk):
    log = with_disk(disk_limit=10_000, unread_seconds=60.0)
    wrong = []

    def write():
        with suppress(Cancelled):
            for number in range(100_000):
                log.append(Rows(number.to_bytes(4) * 250))

    def read(reader, most):
        for _, event in zip(range(most), reader, strict=False):
            if event.event.ipc != event.number.to_bytes(4) * 250:
                wrong.append(event.number)
        reader.close()

    threads = [threading.Thread(target=read, args=(log.read(), most), daemon=True) for most in (500, 300, 100)]
    writer = threading.Thread(target=write, daemon=True)
    closed_by_another = log.read()
    for thread in (writer, *threads):
        thread.start()
    closed_by_another.close()
    for thread in threads:
        thread.join()
    log.interrupt()
    writer.join()
    assert not wrong
    assert log.next >= 500


@pytest.mark.parametrize("sizes", [[40, 40, 40, 10, 40], [100], [33, 33, 34, 99, 1]])
def test_a_ring_of_records_gives_back_each_as_it_was_written(sizes):
    file = EventFile(100)
    held = []
    for number, size in enumerate(sizes * 5):
        data = bytes([number]) * size
        while (offset := file.find_room(size)) is None:
            assert file.read(file.find(held[0][0])) == held[0][1]
            file.forget_first()
            held.pop(0)
        file.write(offset, data)
        file.add(offset, size, number)
        held.append((number, data))
        assert [(n, file.read(file.find(n))) for n, _ in held] == held
        assert file.bytes <= 100
    file.close()
