"""The registry of queries: threads of their own, limits, ids, what becomes of a fault."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from query_service.config import QueryConfig
from query_service.running.queries import QueryRegistry
from thanosql.errors import Cancelled, InternalError, NameTaken, NotFound, Overloaded, Unavailable
from thanosql.types import Notice, Rows


def wait_and_end(text, query_id, cancellation):
    """Says the text, then waits to be cancelled."""
    yield Notice(text)
    while True:
        cancellation.wait(10)


def say(text, query_id, cancellation):
    yield Notice(text)


def registry(work, clock=time.monotonic, **settings):
    return QueryRegistry(QueryConfig(**settings), work, clock)


def texts(reader):
    return [event.event.text for event in reader]


def test_a_query_runs_whether_it_is_read_or_not():
    done = threading.Event()

    def work(text, query_id, cancellation):
        yield Notice("begins")
        done.set()

    registry(work).execute("x").close()
    assert done.wait(1)


def test_a_query_can_be_read_again_after_it_has_ended():
    queries = registry(say)
    assert texts(queries.execute("hello", "id")) == ["hello"]
    assert texts(queries.attach("id")) == ["hello"]


def test_the_same_query_sent_twice_runs_once():
    runs = []

    def work(text, query_id, cancellation):
        runs.append(text)
        yield Notice(text)

    queries = registry(work)
    assert texts(queries.execute("a", "id")) == texts(queries.execute("a", "id"))
    assert runs == ["a"]


def test_another_query_under_the_same_id_is_refused():
    queries = registry(say)
    queries.execute("a", "id")
    with pytest.raises(NameTaken, match="another query has the id id"):
        queries.execute("b", "id")


def test_an_unknown_query_is_not_found():
    with pytest.raises(NotFound, match="there is no query 'nothing'"):
        registry(say).attach("nothing")


def test_an_ended_query_is_forgotten_after_a_while():
    now = [0.0]
    queries = registry(say, clock=lambda: now[0], kept_seconds=60.0)
    list(queries.execute("a", "id"))
    now[0] = 59.0
    queries.attach("id")
    now[0] = 60.0
    with pytest.raises(NotFound):
        queries.attach("id")


def test_ended_queries_are_forgotten_oldest_first_when_they_hold_too_much():
    def work(text, query_id, cancellation):
        yield Rows(b"x" * 1_000)

    now = [0.0]
    queries = registry(work, clock=lambda: now[0], kept_bytes=3_000)
    for i in range(4):
        now[0] = float(i)
        list(queries.execute("a", str(i)))
    list(queries.attach("3"))
    with pytest.raises(NotFound):
        queries.attach("0")


def test_more_queries_than_the_server_takes_are_refused_with_a_time_to_retry():
    queries = registry(wait_and_end, most_queries=2)
    for name in ("a", "b"):
        queries.execute("x", name)
    with pytest.raises(Overloaded) as raised:
        queries.execute("x")
    assert raised.value.retry_after
    queries.stop()


def test_a_cancelled_query_ends_with_cancelled():
    queries = registry(wait_and_end)
    reader = queries.execute("x", "id")
    assert queries.cancel("id")
    with pytest.raises(Cancelled):
        list(reader)
    assert not queries.cancel("id")


def test_a_query_that_was_cancelled_before_it_came_does_not_run():
    ran = []

    def work(text, query_id, cancellation):
        cancellation.check()
        ran.append(text)
        yield Notice(text)

    queries = registry(work)
    assert not queries.cancel("id")
    with pytest.raises(Cancelled):
        list(queries.execute("x", "id"))
    assert ran == []


def test_stopping_ends_every_query_and_says_that_it_is_not_the_users_doing():
    queries = registry(wait_and_end)
    reader = queries.execute("x", "id")
    queries.stop()
    with pytest.raises(Unavailable, match="query_service is stopping"):
        list(reader)
    with pytest.raises(Unavailable):
        queries.execute("y")


def test_a_fault_of_ours_is_logged_and_reaches_the_caller_as_an_internal_error(caplog):
    def work(text, query_id, cancellation):
        yield Notice("begins")
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as raised:
        list(registry(work).execute("x"))
    assert "secret" not in str(raised.value)
    assert raised.value.request_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_work_is_closed_when_its_query_is_cancelled_while_nobody_reads():
    closed = threading.Event()

    def work(text, query_id, cancellation):
        try:
            while True:
                yield Rows(b"x" * 1_000)
        finally:
            closed.set()

    queries = registry(work, log_bytes=5_000)
    queries.execute("x", "id").close()
    time.sleep(0.05)
    queries.cancel("id")
    assert closed.wait(1)
