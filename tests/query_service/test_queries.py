"""The registry of queries: threads of their own, limits, ids, what becomes of a fault."""

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
from thanosql.errors import Cancelled, InternalError, NameTaken, NotFound, Overloaded, Unavailable
from thanosql.types import JobState, Notice, Progress, StatementDone, StatementStarted


def wait_and_end(text, query_id, cancellation, parameters):
    """Says the text, then waits to be cancelled."""
    yield Notice(text)
    while True:
        cancellation.wait(10)


def say(text, query_id, cancellation, parameters):
    yield Notice(text)


LARGE = make_rows({"x": pa.string()}, [("x" * 2_000,)])


def registry(work, clock=time.monotonic, **settings):
    return QueryRegistry(QueryConfig(**settings), work, clock)


def texts(reader):
    return [event.event.text for event in reader]


def test_a_query_runs_whether_it_is_read_or_not():
    done = threading.Event()

    def work(text, query_id, cancellation, parameters):
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

    def work(text, query_id, cancellation, parameters):
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
    with pytest.raises(NotFound, match=r"there is no statement 'nothing' here.*started anew since"):
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
    rest, small_is_done = queries._rest_large, threading.Event()

    def rest_while_others_end():
        if threading.current_thread().name != "query-small":
            small_is_done.wait(10)
            return rest()
        rested = rest()
        for name in "abc":
            queries.execute("large", name).close()
            assert queries._queries["default", name].ended.wait(10)
        return rested

    monkeypatch.setattr(queries, "_rest_large", rest_while_others_end)
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

    def work(text, query_id, cancellation, parameters):
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
    def work(text, query_id, cancellation, parameters):
        yield Notice("begins")
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as raised:
        list(registry(work).execute("x"))
    assert "secret" not in str(raised.value)
    assert raised.value.request_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_work_is_closed_when_its_query_is_cancelled_while_nobody_reads():
    closed = threading.Event()

    def work(text, query_id, cancellation, parameters):
        try:
            while True:
                yield LARGE
        finally:
            closed.set()

    queries = registry(work, log_bytes=5_000, log_disk_bytes=0)
    queries.execute("x", "id").close()
    time.sleep(0.05)
    queries.cancel("id")
    assert closed.wait(1)


def test_a_full_server_still_lists_jobs_and_cancels_one():
    queries = registry(wait_and_end, most_queries=1)
    queries.execute("SELECT 1", "id")
    for text in ("LIST JOBS;", "list  jobs", "DESCRIBE JOB 1234", "CANCEL JOB 'abcd-ef'"):
        queries.execute(text).close()
    for text in ("SELECT 1", "LIST JOBS; SELECT 1", "CANCEL JOB a; BUILD MODEL m", "LIST JOBS"):
        with pytest.raises(Overloaded, match="CANCEL JOB stops one"):
            queries.execute(text)
    queries.stop()


def test_a_query_is_attached_by_the_beginning_of_its_id_where_that_is_clear():
    queries = registry(say)
    for id in ("abcdef1", "abcdef2", "9876"):
        end(queries, id)
    assert texts(queries.attach("9876")) == ["a"]
    assert texts(queries.attach("abcdef2")) == ["a"]
    with pytest.raises(NotFound, match="2 statements begin with 'abcd'\nGive more of it: abcdef1, abcdef2"):
        queries.attach("abcd")
    with pytest.raises(NotFound):
        queries.attach("987")


def test_a_query_says_who_sent_it_what_it_does_and_how_far_it_is():
    reached, go_on = threading.Event(), threading.Event()

    def work(text, query_id, cancellation, parameters):
        yield StatementStarted(query_id, 0, "COPY", "COPY …")
        yield StatementDone(0, 80, 0.1, "Success")
        yield StatementStarted(query_id, 1, "PREDICT", "PREDICT …")
        queries.tell(query_id, model="m")
        yield LARGE
        yield Progress("transcribe", 1, 2, "rows")
        reached.set()
        go_on.wait(5)
        yield StatementDone(1, 2, 0.1)

    queries = registry(work)
    reader = queries.execute("COPY …; PREDICT …", "id", "kim@laptop")
    assert reached.wait(5)
    (status,) = queries.list_queries()
    assert (status.who, status.state, status.index, status.kind) == ("kim@laptop", JobState.RUNNING, 1, "PREDICT")
    assert (status.model, status.rows, status.progress.done, status.next_event) == ("m", 1, 1, 5)
    go_on.set()
    list(reader)
    (status,) = queries.list_queries()
    assert (status.state, status.rows, status.was_read) == (JobState.SUCCEEDED, 2, True)
    assert status.ended_at >= status.started_at


def test_a_query_that_another_stops_says_whose_doing_it_is():
    queries = registry(wait_and_end)
    reader = queries.execute("x", "victim")
    queries.execute("CANCEL JOB victim", "stopper", "lee@desk").close()
    assert queries.stop_query("victim", by="stopper")
    with pytest.raises(Cancelled, match="the statement was cancelled by CANCEL JOB from lee@desk"):
        list(reader)
    assert {each.id: each.state for each in queries.list_queries()}["victim"] is JobState.CANCELLED
    queries.stop()
