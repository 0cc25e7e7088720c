"""Which ended queries can still be read: how long, how many, how much, and which go first."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from contextlib import suppress

import pyarrow as pa
import pytest

from query_service.config import QueryConfig
from query_service.running.arrow import make_rows
from query_service.running.queries import QueryRegistry
from query_service.running.retention import rest_large
from thanosql.errors import Cancelled, InternalError, NotFound
from thanosql.types import Notice

LARGE = make_rows({"x": pa.string()}, [("x" * 2_000,)])


def wait_and_end(text, query_id, cancellation, parameters):
    """Says the text, then waits to be cancelled."""
    yield Notice(text)
    while True:
        cancellation.wait(10)


def say(text, query_id, cancellation, parameters):
    yield Notice(text)


def registry(work, clock=time.monotonic, **settings):
    return QueryRegistry(QueryConfig(**settings), work, clock)


def test_an_ended_query_is_forgotten_after_a_while():
    now = [0.0]
    queries = registry(say, clock=lambda: now[0], kept_seconds=60.0)
    list(queries.execute("a", "id"))
    now[0] = 59.0
    queries.attach("id")
    now[0] = 60.0
    with pytest.raises(NotFound):
        queries.attach("id")


def say_much(text, query_id, cancellation, parameters):
    yield LARGE


def end(queries, query_id, reads=True):
    """Runs a query to its end and, unless it shall stay unread, reads it."""
    reader = queries.execute("a", query_id)
    if reads:
        list(reader)
    queries._queries["default", query_id].thread.join()


def held(queries):
    return {query.id for query in queries.list_queries()}


def test_large_results_of_ended_queries_go_to_disk_and_can_still_be_read():
    queries = registry(say_much, kept_bytes=5_000)
    for name in "abcd":
        end(queries, name)
    logs = [queries._queries["default", name].log for name in "abcd"]
    assert sum(log.bytes for log in logs) <= 5_000
    assert sum(log.disk_bytes for log in logs) > 5_000
    assert [next(iter(queries.attach(name))).event for name in "abcd"] == [LARGE] * 4
    queries.stop()


def test_ended_queries_are_forgotten_oldest_first_when_the_disk_holds_too_much():
    now = [0.0]
    queries = registry(say_much, clock=lambda: now[0], kept_bytes=0, kept_disk_bytes=5_000)
    for i, name in enumerate("abcd"):
        now[0] = float(i)
        end(queries, name)
    assert held(queries) == {"c", "d"}
    queries.stop()


def test_a_large_result_that_has_only_just_ended_costs_no_other_query_its_place(monkeypatch):
    def run(text, query_id, cancellation, parameters):
        yield LARGE if text == "large" else Notice(text)

    queries = registry(run, kept_bytes=5_000)
    small_is_done = threading.Event()

    def rest_while_others_end(ended, most_bytes):
        if threading.current_thread().name != "query-small":
            small_is_done.wait(10)
            rest_large(ended, most_bytes)
            return
        rest_large(ended, most_bytes)
        for name in "abc":
            queries.execute("large", name).close()
            assert queries._queries["default", name].ended.wait(10)

    monkeypatch.setattr("query_service.running.queries.rest_large", rest_while_others_end)
    list(queries.execute("small", "small"))
    queries._queries["default", "small"].thread.join()
    assert "small" in held(queries)
    small_is_done.set()
    for name in "abc":
        queries._queries["default", name].thread.join()
    assert "small" in held(queries)
    queries.stop()


def test_of_too_many_ended_queries_those_go_first_that_were_read_to_their_end():
    now = [0.0]
    queries = registry(say, clock=lambda: now[0], kept_queries=4)
    for i, name in enumerate("abcdef"):
        now[0] = float(i)
        end(queries, name, reads=name not in "ac")
    assert held(queries) == {"a", "c", "e", "f"}


def test_what_was_cancelled_and_left_unread_keeps_no_place_from_what_was_read():
    queries = registry(wait_and_end, kept_queries=3)
    for name in "abc":
        queries.execute("left", name).close()
        queries.cancel(name)
        queries._queries["default", name].thread.join()
    last = queries.execute("read", "last")
    queries.cancel("last")
    with pytest.raises(Cancelled):
        list(last)
    queries._queries["default", "last"].thread.join()
    assert held(queries) == {"b", "c", "last"}


def test_what_nobody_reads_takes_half_of_the_places():
    queries = registry(say, kept_queries=4)
    for name in "abcdef":
        end(queries, name, reads=False)
    for name in "xyz":
        end(queries, name)
    assert held(queries) == {"e", "f", "y", "z"}


def test_nothing_is_left_of_queries_that_are_forgotten_however_they_ended(caplog):
    # Not even their frames in records of the log, which pytest would keep.
    caplog.set_level(logging.CRITICAL, "query_service.running.running_query")

    def run(text, query_id, cancellation, parameters):
        yield Notice(text)
        if text == "wait":
            cancellation.wait(10)
        elif text != "end":
            raise {"fail": NotFound("no such table"), "break": ZeroDivisionError()}[text]

    queries = registry(run, kept_queries=2)
    begun = []
    for text in ["wait", "fail", "break", "end"] * 10:
        reader = queries.execute(text)
        query = next(reversed(queries._queries.values()))
        begun.append(weakref.ref(query))
        if text == "wait":
            queries.cancel(query.id)
        with suppress(Cancelled, NotFound, InternalError):
            list(reader)
        query.thread.join()
    del query, reader
    gc.collect()
    assert sum(each() is not None for each in begun) == 2
