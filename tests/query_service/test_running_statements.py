"""LIST JOBS, DESCRIBE JOB, CANCEL JOB and RESUME JOB over statements that run or have lately ended."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from query_service.running.arrow import read_rows
from thanosql.clients import QueryClient
from thanosql.errors import Cancelled, DataError, NotFound, ThanoSQLError
from thanosql.rpc.channel import open_channel
from thanosql.types import Notice, Rows, Severity, StatementStarted

LONG = "SELECT a.i, b.i AS j FROM generate_series(1, 100000) AS a(i), generate_series(1, 100000) AS b(i)"


class Sent:
    """A statement that was sent, and is read in a thread of its own."""

    def __init__(self, client: QueryClient, text: str) -> None:
        self.id = str(uuid.uuid4())
        self.events: list[Any] = []
        self.error: ThanoSQLError | None = None
        self._thread = threading.Thread(target=self._read, args=(client, text), daemon=True)
        self._thread.start()

    def _read(self, client: QueryClient, text: str) -> None:
        try:
            for event in client.execute(text, self.id):
                self.events.append(event.event)
        except ThanoSQLError as error:
            self.error = error

    def end(self, seconds: float = 10.0) -> ThanoSQLError | None:
        """How it ends."""
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return self.error


@pytest.fixture
def send(services) -> Iterator[Callable[..., Sent]]:
    """Sends a statement, by default as kim@laptop; what still runs at the end is stopped."""
    sent = []

    def send(text: str, client: QueryClient | None = None) -> Sent:
        sent.append(Sent(client or stack_client, text))
        return sent[-1]

    with open_channel(services.client._peer.removeprefix("query_service at "), "secret") as channel:
        stack_client = QueryClient(channel, caller="kim@laptop")
        yield send
        for each in sent:
            services.client.cancel(each.id)
            each.end()


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def listed(services, id: str) -> dict[str, Any] | None:
    return next((row for row in services.rows("LIST JOBS") if id.startswith(row["id"])), None)


def properties(services, text):
    return {row["property"]: row["value"] for row in services.rows(text)}


@pytest.fixture
def slow_predict(services, ready_model):
    """A PREDICT of 40 recordings that takes some seconds."""
    paths = services.recordings(*(f"{uuid.uuid4().hex}.wav" for _ in range(40)))
    services.table("to_transcribe", "audio_path\n" + "\n".join(paths) + "\n")
    services.inference.seconds_per_clip = 0.2
    return f"PREDICT USING {ready_model} OPTIONS (cache=False) AS SELECT * FROM to_transcribe"


def test_a_statement_that_runs_is_listed_with_who_sent_it_and_how_far_it_is(services, send, slow_predict, ready_model):
    sent = send(slow_predict)
    row = wait_until(lambda: (row := listed(services, sent.id)) and row["rate"] and row)
    assert (row["kind"], row["model"], row["state"]) == ("predict", ready_model, "running")
    assert row["progress"].startswith("transcribe: ")
    assert row["progress"].endswith(" of 40 rows")
    assert (row["who"], row["attempts"], row["trainer"]) == ("kim@laptop", None, None)
    assert row["statement"] == slow_predict
    assert row["created_utc"] is not None


def test_a_caller_that_gives_no_name_is_listed_by_its_address(services, send):
    sent = send(LONG, services.client)
    assert wait_until(lambda: listed(services, sent.id))["who"] == "127.0.0.1"


def test_the_statement_that_lists_is_not_listed(services):
    assert all(row["kind"] != "list jobs" for row in services.rows("LIST JOBS"))


def test_quick_statements_that_were_read_are_not_listed_and_unread_ones_are(services):
    read, unread = str(uuid.uuid4()), str(uuid.uuid4())
    list(services.client.execute("SELECT 1 AS a", read))
    stream = services.client.execute("SELECT 2 AS a", unread)
    next(stream)
    stream.close()
    row = wait_until(lambda: (row := listed(services, unread)) and row["state"] == "succeeded" and row)
    assert row["statement"] == "SELECT 2 AS a"
    assert listed(services, read) is None


def test_of_a_script_the_statement_that_runs_is_listed_with_its_number(services, send, slow_predict):
    sent = send(f"SELECT 1 AS a; {slow_predict}")
    row = wait_until(lambda: (row := listed(services, sent.id)) and row["kind"] == "predict" and row["rate"] and row)
    assert row["progress"].startswith("statement 2: transcribe: ")
    assert row["statement"] == slow_predict


def test_a_training_is_one_row_and_tells_its_statement(services, send):
    services.recordings("x.wav")
    services.table("spoken", "audio_path,text\naudio/x.wav,hello\n")
    services.trainer.never_ends = True
    sent = send("BUILD MODEL listed_once USING Wav2Vec2En AS SELECT * FROM spoken")
    wait_until(lambda: services.trainer.watched_from)
    (row,) = [row for row in services.rows("LIST JOBS") if "listed_once" in row["statement"]]
    assert (row["kind"], row["model"], row["who"]) == ("build", "listed_once", "kim@laptop")
    shown = properties(services, f"DESCRIBE JOB {row['id']}")
    assert (shown["statement_id"], shown["who"]) == (sent.id, "kim@laptop")
    statement = properties(services, f"DESCRIBE JOB '{sent.id}'")
    assert (statement["kind"], statement["job"]) == ("build model", shown["id"])
    services.run(f"CANCEL JOB '{sent.id}'")
    assert isinstance(sent.end(), Cancelled)
    assert services.trainer.cancelled == [shown["id"]]
    assert f"RESUME JOB {row['id']}" in sent.error.hint


def test_a_statement_is_described(services, send, slow_predict, ready_model):
    sent = send(slow_predict)
    wait_until(lambda: (row := listed(services, sent.id)) and row["rate"])
    shown = properties(services, f"DESCRIBE JOB {sent.id[:8]}")
    assert (shown["id"], shown["kind"], shown["state"], shown["model"]) == (sent.id, "predict", "running", ready_model)
    assert (shown["who"], shown["error"], shown["ended_utc"], shown["number"]) == ("kim@laptop", None, None, "1")
    assert (shown["progress.phase"], shown["progress.total"]) == ("transcribe", "40")
    assert int(shown["next_event"]) > 1
    assert shown["statement"] == slow_predict


def test_a_statement_that_failed_is_described_with_its_error(services):
    query_id = str(uuid.uuid4())
    with pytest.raises(ThanoSQLError):
        list(services.client.execute("SELECT * FROM nowhere_at_all", query_id))
    shown = properties(services, f"DESCRIBE JOB '{query_id}'")
    assert shown["state"] == "failed"
    assert "nowhere_at_all" in shown["error"]
    assert shown["ended_utc"]


def test_a_predict_is_cancelled_from_another_session_and_its_stream_to_the_model_ends(services, send, slow_predict):
    sent = send(slow_predict)
    wait_until(lambda: services.inference.heard)
    events = services.run(f"CANCEL JOB {sent.id[:8]}")
    assert isinstance(sent.end(), Cancelled)
    assert services.inference.cancelled.wait(5)
    assert "cancelled by CANCEL JOB from 127.0.0.1" in sent.error.message
    assert any("run it again" in event.text for event in events if isinstance(event, Notice))
    heard = len(services.inference.heard)
    time.sleep(0.5)
    assert len(services.inference.heard) <= heard + 1
    assert properties(services, f"DESCRIBE JOB {sent.id[:8]}")["state"] == "cancelled"


def test_a_select_is_cancelled_from_another_session_and_frees_the_table_store(services, send):
    sent = send(LONG.replace("a.i, b.i AS j", "sum(a.i * b.i) AS s"))
    wait_until(lambda: listed(services, sent.id))
    events = services.run(f"CANCEL JOB {sent.id[:8]}")
    assert [event for event in events if isinstance(event, Notice)] == []  # it would say what has not ended yet
    assert isinstance(sent.end(), Cancelled)
    assert services.rows("SELECT 1 AS one") == [{"one": 1}]


def test_cancel_of_a_statement_that_has_ended_says_how_it_ended(services):
    query_id = str(uuid.uuid4())
    list(services.client.execute("SELECT 1 AS a", query_id))
    events = services.run(f"CANCEL JOB '{query_id}'")
    assert Notice(f"Statement {query_id[:8]} had ended: succeeded.", Severity.WARNING) in events


def test_a_statement_that_is_no_training_is_not_resumed_and_it_is_said_what_to_do(services, send):
    sent = send(LONG)
    wait_until(lambda: sent.events)
    error = services.fails(f"RESUME JOB {sent.id[:8]}")
    assert isinstance(error, DataError)
    assert f"session.attach('{sent.id[:8]}')" in error.hint
    services.run(f"CANCEL JOB {sent.id[:8]}")
    error = services.fails(f"RESUME JOB {sent.id[:8]}")
    assert "has been cancelled, and is no training" in error.message
    assert "Run it again" in error.hint
    assert (error.line, error.column) == (1, 12)


def test_a_script_whose_second_statement_fails_says_which_it_is_and_the_first_has_taken_effect(services):
    text = "CREATE TABLE of_the_first AS SELECT 1 AS a;\nSELECT b FROM of_the_first;\nDROP TABLE of_the_first"
    error = services.fails(text)
    assert (error.line, error.column) == (2, 8)
    assert "This is statement 2 of 3. The one before it has taken effect. The one after it was not run." in error.hint
    assert services.rows("SELECT * FROM of_the_first") == [{"a": 1}]
    services.run("DROP TABLE of_the_first")


def test_a_script_that_cannot_be_read_to_its_end_does_nothing(services):
    error = services.fails("CREATE TABLE never_made AS SELECT 1 AS a;\nSELEKT 2")
    assert error.line == 2
    assert isinstance(services.fails("DESCRIBE TABLE never_made"), ThanoSQLError)


def test_jobs_are_listed_inside_a_query(services, send):
    sent = send(LONG)
    wait_until(lambda: sent.events)
    rows = services.rows("SELECT kind, count(*) AS n FROM (LIST JOBS) WHERE state = 'running' GROUP BY kind")
    assert {"kind": "select", "n": 1} in rows


def test_what_there_is_not_is_answered_with_the_newest(services, send):
    sent = send(LONG)
    wait_until(lambda: sent.events)
    error = services.fails("CANCEL JOB nothing")
    assert isinstance(error, NotFound)
    assert sent.id[:8] in error.hint


def test_a_client_that_dies_leaves_its_statement_running_and_another_misses_nothing(services, slow_predict):
    services.inference.seconds_per_clip = 0.05
    query_id = str(uuid.uuid4())
    with open_channel(services.client._peer.removeprefix("query_service at "), "secret") as channel:
        stream = QueryClient(channel).execute(slow_predict, query_id)
        next(stream)
    # Its channel is closed without a word; the statement goes on.
    events = list(services.client.attach(query_id[:8]))
    assert isinstance(events[0].event, StatementStarted)
    assert events[0].event.query_id == query_id
    rows = [
        row
        for event in events
        if isinstance(event.event, Rows)
        for b in read_rows(event.event)
        for row in b.to_pylist()
    ]
    assert len(rows) == 40
    assert all(row["predicted"] for row in rows)
