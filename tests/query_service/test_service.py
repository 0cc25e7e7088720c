"""query_service as its callers see it, over gRPC, in front of a real catalog."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from query_service.running.arrow import read_rows
from thanosql.clients import QueryClient
from thanosql.errors import (
    Cancelled,
    NameTaken,
    NotFound,
    StatementSyntaxError,
    Unauthenticated,
    Unavailable,
    UnknownTable,
)
from thanosql.rpc.channel import open_channel
from thanosql.types import Notice, Progress, Rows, StatementDone, StatementStarted

LONG = "SELECT i, repeat('x', 1000) AS text FROM generate_series(1, 1000000) AS g(i)"


def test_a_select_streams_typed_rows_between_its_start_and_its_end(services):
    started, rows, done = services.client.execute("SELECT 1 AS one, 'a' AS letter", "chosen")
    assert started.event == StatementStarted("chosen", 0, "SELECT", "SELECT 1 AS one, 'a' AS letter")
    assert isinstance(rows.event, Rows)
    assert (done.event.index, done.event.rows, done.event.message) == (0, 1, "")
    assert [started.number, rows.number, done.number] == [0, 1, 2]


def test_a_script_runs_in_order_and_a_later_statement_sees_what_an_earlier_made(services):
    (services.workspace / "script.csv").write_text("a,b\n1,x\n2,y\n")
    events = services.run("COPY script FROM 'script.csv'; SELECT * FROM script ORDER BY a DESC; DROP TABLE script")
    done = [event for event in events if isinstance(event, StatementDone)]
    assert [(event.index, event.rows, event.message) for event in done] == [
        (0, 2, "Success"),
        (1, 2, ""),
        (2, 0, "Success"),
    ]


def test_a_script_with_a_syntax_error_anywhere_does_not_begin(services):
    services.table("kept", "a\n1\n")
    error = services.fails("DROP TABLE kept; SELCT 1")
    assert isinstance(error, StatementSyntaxError)
    assert services.rows("SELECT * FROM kept") == [{"a": 1}]


def test_a_script_stops_at_its_first_failure(services):
    services.table("stops", "a\n1\n")
    error = services.fails("SELECT 1;\nSELECT * FROM nowhere;\nDROP TABLE stops")
    assert isinstance(error, UnknownTable)
    assert (error.line, error.column) == (2, 15)
    assert "  2 | SELECT * FROM nowhere;" in str(error)
    assert services.rows("SELECT * FROM stops") == [{"a": 1}]


def test_listings_have_their_columns_and_no_rows_are_no_error(services):
    services.table("listed", "audio_path,text\nx.wav,hello\n")
    services.table("listed_too", "a\n1\n")
    rows = {row["name"]: row for row in services.rows("LIST TABLES")}
    assert (rows["listed"]["rows"], rows["listed"]["columns"]) == (1, "audio_path, text")
    assert list(services.rows("LIST MODELS")[0]) == ["name", "class_name", "version", "wer", "last_updated_utc"]
    assert services.rows("LIST BASE MODELS")[0]["checkpoint"] == "a/b"
    assert services.rows("DESCRIBE TABLE LISTED") == [
        {"column": "audio_path", "type": "text"},
        {"column": "text", "type": "text"},
    ]
    properties = {row["property"]: row["value"] for row in services.rows("DESCRIBE MODEL tutorial_audio_recognition")}
    assert properties["class_name"] == "Wav2Vec2En"
    assert properties["serving.measured"] == f"measured tutorial_audio_recognition {properties['version']}"


def test_what_is_not_there_may_be_dropped_with_a_notice(services):
    events = services.run("DROP TABLE IF EXISTS nothing; DROP MODEL IF EXISTS nothing")
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "There is no table nothing: nothing to drop.",
        "There is no model nothing: nothing to delete.",
    ]


def test_a_model_can_be_deleted(services, ready_model):
    services.run(f"DELETE MODEL {ready_model}")
    assert ready_model not in [row["name"] for row in services.rows("LIST MODEL")]


def test_copy_of_a_file_that_is_not_there_names_it(services):
    error = services.fails("COPY t FROM 'nothing.csv'")
    assert isinstance(error, NotFound)
    assert "'nothing.csv'" in error.message


def test_a_broken_stream_is_taken_up_again_without_loss(services):
    query_id = str(uuid.uuid4())
    stream = services.client.execute("SELECT * FROM generate_series(1, 100000)", query_id)
    first = [next(stream), next(stream)]
    stream.close()
    rest = list(services.client.attach(query_id, 2))
    numbers = [event.number for event in (*first, *rest)]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].event.rows == 100_000


def test_the_work_goes_on_when_nobody_reads(services):
    query_id = str(uuid.uuid4())
    services.client.execute("SELECT 1", query_id).close()
    stream = services.client.execute("SELECT 1 AS a", query_id)
    next(stream)
    stream.close()
    time.sleep(0.2)
    assert isinstance(list(services.client.attach(query_id, 0))[-1].event, StatementDone)


def test_the_same_execute_again_is_attached_and_another_is_refused(services):
    query_id = str(uuid.uuid4())
    first = list(services.client.execute("SELECT 1", query_id))
    assert list(services.client.execute("SELECT 1", query_id)) == first
    with pytest.raises(NameTaken):
        list(services.client.execute("SELECT 2", query_id))


def test_a_running_select_is_cancelled_and_so_is_the_catalogs_query(services):
    query_id = str(uuid.uuid4())
    stream = services.client.execute(LONG, query_id)
    next(stream), next(stream)
    assert services.client.cancel(query_id)
    with pytest.raises(Cancelled, match="the statement was cancelled"):
        for _ in stream:
            pass
    assert services.rows("SELECT 1 AS one") == [{"one": 1}]


def test_a_query_that_waits_for_its_first_row_is_cancelled_too(services):
    query_id = str(uuid.uuid4())
    statement = (
        "SELECT sum(a.i * b.i) AS s FROM generate_series(1, 100000) AS a(i), generate_series(1, 1000000) AS b(i)"
    )
    stream = services.client.execute(statement, query_id)
    next(stream)
    timer = threading.Timer(0.3, services.client.cancel, [query_id])
    timer.start()
    with pytest.raises(Cancelled):
        list(stream)
    timer.join()  # the stream may end before the call that has cancelled it


def test_cancelling_what_has_ended_or_never_was_is_told(services):
    query_id = str(uuid.uuid4())
    list(services.client.execute("SELECT 1", query_id))
    assert not services.client.cancel(query_id)
    assert not services.client.cancel("nothing")


def test_a_slow_reader_holds_the_query_back_instead_of_filling_memory(services):
    client = services.another(log_bytes=1 << 20, log_disk_bytes=1 << 20)
    stream = client.execute(LONG)
    for _ in range(3):
        next(stream)
    time.sleep(0.5)
    count = sum(1 for event in stream if isinstance(event.event, Rows))
    assert count > 10


def properties_of(client, query_id):
    """The values that DESCRIBE JOB tells of a statement."""
    rows = [event.event for event in client.execute(f"DESCRIBE JOB '{query_id}'") if isinstance(event.event, Rows)]
    return [value for each in rows for batch in read_rows(each) for value in batch["value"].to_pylist()]


def test_a_query_that_nobody_reads_is_stopped_when_its_log_is_full(services):
    client = services.another(log_bytes=1 << 20, log_disk_bytes=4 << 20, unread_seconds=0.2)
    query_id = str(uuid.uuid4())
    stream = client.execute(LONG, query_id)
    next(stream)
    stream.close()
    until = time.monotonic() + 60
    while "running" in properties_of(client, query_id):
        assert time.monotonic() < until
        time.sleep(0.1)
    with pytest.raises(Cancelled, match=r"was not read for 0\.2 seconds"):
        list(client.attach(query_id, 1))


def test_a_service_that_cannot_be_reached_is_named_with_its_address(services):
    client = services.another(trainer="127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"trainer_service at 127\.0\.0\.1:1") as raised:
        list(client.execute("LIST BASE MODELS"))
    assert "Is the service running" in raised.value.hint


def test_a_model_is_described_where_inference_service_cannot_be_reached(services, ready_model):
    client = services.another(inference="127.0.0.1:1")
    events = [event.event for event in client.execute(f"DESCRIBE MODEL {ready_model}")]
    (notice,) = (event.text for event in events if isinstance(event, Notice))
    assert "How the model is served is not shown: inference_service at 127.0.0.1:1" in notice
    (rows,) = (event for event in events if isinstance(event, Rows))
    properties = {row["property"] for batch in read_rows(rows) for row in batch.to_pylist()}
    assert "base" in properties
    assert "serving.state" not in properties


def test_a_caller_without_the_token_is_refused(services):
    server = services.client._peer.removeprefix("query_service at ")
    with open_channel(server, "wrong") as channel, pytest.raises(Unauthenticated):
        list(QueryClient(channel).execute("SELECT 1"))


def test_copy_shows_progress_no_more_than_ten_times_a_second(services):
    (services.workspace / "large.csv").write_text("a,b\n" + "".join(f"{i},{'x' * 50}\n" for i in range(100_000)))
    begin = time.monotonic()
    events = services.run("COPY large OPTIONS (overwrite=True) FROM 'large.csv'")
    shown = [event for event in events if isinstance(event, Progress)]
    assert len(shown) <= 10 * (time.monotonic() - begin) + 6
    assert events[-1].rows == 100_000
