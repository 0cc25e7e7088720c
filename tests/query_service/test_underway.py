"""Statements that want the same transcripts at the same time: each is computed once, and nobody waits for good."""

from __future__ import annotations

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from query_service.running.arrow import read_rows
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.recordings import Failure
from query_service.transcribing.underway import UNDERWAY, Shared, Underway, Wanted
from thanosql.errors import Cancelled
from thanosql.types import Rows

WANTED = Wanted("inference:1", Hearing("m", 1), "c0ffee")
SHARED = Shared(Failure("silent", "it is silent"), "a.wav")


def test_the_first_gets_the_claim_and_the_others_what_it_heard():
    underway, told = Underway(), []
    claim = underway.claim(WANTED, told.append)
    assert claim is not None
    assert underway.claim(WANTED, told.append) is None
    claim.resolve(SHARED)
    assert told == [SHARED]


def test_who_comes_after_it_was_heard_and_before_it_is_stored_is_told_at_once():
    underway, told = Underway(), []
    claim = underway.claim(WANTED, told.append)
    claim.resolve(SHARED)
    assert underway.claim(WANTED, told.append) is None
    assert told == [SHARED]
    claim.end()
    assert underway.claim(WANTED, told.append) is not None


def test_who_waits_for_a_claim_that_is_given_up_may_take_it():
    underway, told = Underway(), []
    claim = underway.claim(WANTED, told.append)
    underway.claim(WANTED, told.append)
    claim.end()
    assert told == [None]
    assert underway.claim(WANTED, told.append) is not None


def test_a_claim_that_has_ended_ends_no_later_one():
    underway, told = Underway(), []
    first = underway.claim(WANTED, told.append)
    first.end()
    underway.claim(WANTED, told.append)
    first.end()
    assert underway.claim(WANTED, told.append) is None
    assert told == []


def test_other_versions_decodings_and_servers_are_claimed_apart():
    underway = Underway()
    for wanted in (
        WANTED,
        Wanted("inference:2", WANTED.hearing, "c0ffee"),
        Wanted("inference:1", Hearing("m", 2), "c0ffee"),
        Wanted("inference:1", Hearing("m", 1, "hotwords 1"), "c0ffee"),
        Wanted("inference:1", Hearing("m", 1, words=True), "c0ffee"),
    ):
        assert underway.claim(wanted, print) is not None


@pytest.fixture
def crowd(services, ready_model):
    """A table of forty recordings, and statements over it that run while others do."""
    paths = services.recordings(*(f"crowd{i}.wav" for i in range(40)), folder="crowd")
    services.table("crowd", "\n".join(["id,audio_path", *(f"{i},{path}" for i, path in enumerate(paths))]) + "\n")
    services.inference.seconds_per_clip = 0.01
    with ThreadPoolExecutor(4) as pool:
        yield lambda options="", order="id": pool.submit(
            services.rows, f"PREDICT USING {ready_model} {options} AS SELECT * FROM crowd ORDER BY {order}"
        )


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def test_two_statements_over_the_same_rows_ask_the_model_once(services, crowd):
    first = crowd()
    wait_until(lambda: len(services.inference.heard) >= 3)
    second = crowd()
    assert first.result() == second.result()
    assert [row["predicted"] for row in first.result()] == [f"crowd{i}" for i in range(40)]
    assert len(services.inference.heard) == 40


def test_statements_that_meet_from_both_ends_both_go_on(services, crowd):
    running = [crowd(order=order) for order in ("id", "id DESC", "id % 7, id")]
    assert [len(each.result(timeout=60)) for each in running] == [40, 40, 40]
    assert sorted(services.inference.heard) == sorted(f"crowd/crowd{i}.wav" for i in range(40))


def test_without_the_cache_a_statement_shares_nothing(services, crowd):
    running = [crowd("OPTIONS (cache=False)"), crowd()]
    assert [len(each.result()) for each in running] == [40, 40]
    assert len(services.inference.heard) == 80


def test_a_failure_is_shared_too(services, crowd):
    services.inference.failures = {f"crowd/crowd{i}.wav": ("silent", f"{i} is silent") for i in range(40)}
    running = [crowd("OPTIONS (error_col='why')"), crowd("OPTIONS (error_col='why')", "id DESC")]
    why = [{row["id"]: row["why"] for row in each.result()} for each in running]
    assert why[0] == why[1] == {i: f"{i} is silent" for i in range(40)}
    assert len(services.inference.heard) == 40


def test_who_waits_takes_over_when_the_other_is_cancelled(services, ready_model, crowd):
    services.inference.seconds_per_clip = 0.05
    query_id = str(uuid.uuid4())
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM crowd"
    events = services.client.execute(statement, query_id)
    next(events)
    wait_until(lambda: len(services.inference.heard) >= 3)
    second = crowd()
    time.sleep(0.2)  # so that it waits; the result is the same where it does not yet
    assert services.client.cancel(query_id)
    services.inference.seconds_per_clip = 0
    with pytest.raises(Cancelled):
        list(events)
    assert [row["predicted"] for row in second.result()] == [f"crowd{i}" for i in range(40)]
    assert len(services.inference.heard) <= 40 + 2  # what the server was about to answer


def test_who_waits_can_be_cancelled_while_the_other_goes_on(services, ready_model, crowd):
    release = threading.Event()
    services.inference.before_clip = lambda path: release.wait(30)
    first = crowd()
    wait_until(lambda: services.inference.starts)
    query_id = str(uuid.uuid4())
    events = services.client.execute(f"PREDICT USING {ready_model} AS SELECT * FROM crowd", query_id)
    next(events)
    time.sleep(0.2)
    assert services.client.cancel(query_id)
    with pytest.raises(Cancelled):
        list(events)
    assert not first.done()
    release.set()
    assert len(first.result()) == 40


def test_a_statement_that_ends_early_lets_others_take_over(services, ready_model, crowd):
    services.inference.failures = {"crowd/crowd0.wav": ("silent", "it is silent")}
    strict = crowd("OPTIONS (on_error='fail')")
    lenient = crowd()
    assert len([row for row in lenient.result() if row["predicted"] is None]) == 1
    assert strict.exception() is not None


@pytest.mark.parametrize("seed", range(3))
def test_statements_that_come_go_and_are_stopped_at_random_leave_the_others_right(services, ready_model, crowd, seed):
    draw = random.Random(seed)
    services.inference.seconds_per_clip = 0.002
    services.inference.failures = {"crowd/crowd7.wav": ("silent", "it is silent")}
    expected = [None if i == 7 else f"crowd{i}" for i in range(40)]

    def run(order, stop_after):
        query_id = str(uuid.uuid4())
        text = f"PREDICT USING {ready_model} AS SELECT * FROM crowd ORDER BY {order}"
        timer = threading.Timer(stop_after, services.client.cancel, [query_id])
        timer.start()
        try:
            rows = [row for event in services.client.execute(text, query_id) for row in rows_of(event.event)]
        except Cancelled:
            return None
        finally:
            timer.cancel()
        return [row["predicted"] for row in sorted(rows, key=lambda row: row["id"])]

    with ThreadPoolExecutor(8) as pool:
        orders = ["id", "id DESC", *(f"(id * {draw.randrange(3, 37)}) % 41" for _ in range(6))]
        stops = [draw.choice((0.05, 0.2, 0.4, 60)) for _ in range(7)] + [60]
        results = list(pool.map(run, orders, stops))
    assert results[-1] == expected
    assert all(result in (None, expected) for result in results)
    assert not UNDERWAY.claims


def rows_of(event):
    return [row for batch in read_rows(event) for row in batch.to_pylist()] if isinstance(event, Rows) else []
