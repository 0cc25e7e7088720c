"""The registry of queries: threads of their own, limits, ids, what becomes of a fault."""

from __future__ import annotations

import logging
import threading
import time

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
        list(queries.execute("a", id))
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
