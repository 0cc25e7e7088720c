"""The whole service, called through its client."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from catalog_service.tables import pace
from thanosql.clients import CatalogClient
from thanosql.errors import (
    DataError,
    NameTaken,
    NotFound,
    NotSupported,
    Overloaded,
    StatementError,
    Unauthenticated,
    UnknownModel,
    UnknownTable,
)
from thanosql.rpc.channel import open_channel
from thanosql.types import (
    AudioKey,
    CachedTranscript,
    Column,
    CopyTableResult,
    IfExists,
    JobKind,
    JobSpec,
    JobState,
    Model,
    Progress,
)


def read(client: CatalogClient, sql: str) -> pa.Table:
    return pa.concat_tables(pa.ipc.open_stream(rows.ipc).read_all() for rows in client.query(sql))


def copy(client: CatalogClient, path: str, table: str = "calls", if_exists: IfExists = IfExists.FAIL) -> int:
    *_, result = client.copy_table(table, path, if_exists)
    assert isinstance(result, CopyTableResult)
    return result.rows


def test_the_tutorials_table_is_loaded_listed_queried_and_dropped(
    client: CatalogClient, workspace: Path, checkout: Path
) -> None:
    (workspace / "tutorial_data").symlink_to(checkout / "tutorial_data")
    content = (checkout / "tutorial_data/librispeech_data/librispeech_test.csv").read_bytes()
    (workspace / "librispeech_test.csv").write_bytes(content)
    assert copy(client, "librispeech_test.csv", "librispeech_test") == 20
    snapshot = client.get_snapshot()
    (table,) = snapshot.tables
    assert (table.name, table.rows, snapshot.sql_dialect) == ("librispeech_test", 20, "duckdb")
    assert table.columns == (Column("audio_path", "text"), Column("text", "text"))
    first = read(client, "SELECT * FROM librispeech_test").to_pylist()[0]
    assert first == {
        "audio_path": "tutorial_data/librispeech_data/080.flac",
        "text": "rugge by a similar confidence to him",
    }
    assert client.drop_table("librispeech_test") is True
    assert client.get_snapshot().tables == ()


def test_a_large_result_comes_in_messages_of_bounded_size(client: CatalogClient) -> None:
    sizes = [len(rows.ipc) for rows in client.query("SELECT i, repeat('x', 500) AS t FROM range(50000) r(i)")]
    assert len(sizes) > 1
    assert max(sizes) < 4.5 * 1024 * 1024


def test_a_result_without_rows_still_has_its_columns(client: CatalogClient) -> None:
    result = read(client, "SELECT 1 AS a WHERE false")
    assert (result.num_rows, result.column_names) == (0, ["a"])


def test_closing_a_stream_stops_the_query(client: CatalogClient, config: CatalogConfig) -> None:
    endless = client.query("SELECT i FROM range(100000000000) r(i)")
    next(iter(endless))
    endless.close()  # type: ignore[attr-defined]
    assert read(client, "SELECT 1 AS a").num_rows == 1


def test_a_service_stops_while_a_query_runs(config: CatalogConfig) -> None:
    server = start(replace(config, grace=0.2))
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            read(CatalogClient(channel), "SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 3")
        except BaseException as error:
            outcome.append(error)

    with open_channel(server.address) as channel:
        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.5)
        server.stop()
    thread.join(10)
    assert len(outcome) == 1


def test_loading_a_large_file_says_how_far_it_is(
    client: CatalogClient, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "EVERY_SECONDS", 0.01)  # a quick machine is done before half a second
    (workspace / "big.csv").write_text("id,text\n" + "1,a text of some words that is not short\n" * 1_500_000)
    events = list(client.copy_table("big", "big.csv", IfExists.FAIL))
    progress = [event for event in events if isinstance(event, Progress)]
    assert events[-1] == CopyTableResult(1_500_000)
    assert progress
    assert {event.phase for event in progress} <= {"check", "find types", "read"}
    assert all(event.rate > 0 and 0 <= event.done <= event.total for event in progress if event.done)


def test_leaving_a_copy_leaves_the_old_table(
    client: CatalogClient, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "EVERY_SECONDS", 0.01)
    (workspace / "small.csv").write_text("text\nold\n")
    (workspace / "big.csv").write_text("id,text\n" + "1,a text of some words that is not short\n" * 3_000_000)
    copy(client, "small.csv", "t")
    events = client.copy_table("t", "big.csv", IfExists.REPLACE)
    assert isinstance(next(iter(events)), Progress)
    events.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 20
    while True:
        try:
            copy(client, "small.csv", "t", IfExists.APPEND)
            break
        except Overloaded:  # the first COPY has not noticed yet that nobody waits for it
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert read(client, "SELECT * FROM t").to_pydict() == {"text": ["old", "old"]}


def test_errors_reach_the_caller_with_what_to_do(client: CatalogClient, workspace: Path) -> None:
    (workspace / "calls.csv").write_text("audio_path,text\na.wav,hello\n")
    (workspace / "empty.csv").write_text("")
    (workspace / "calls.ods").write_bytes(b"PK")
    copy(client, "calls.csv")
    for error, hint, call in (
        (NameTaken, "overwrite=True", lambda: copy(client, "calls.csv")),
        (NotFound, "workspace root", lambda: copy(client, "missing.csv", "t")),
        (DataError, "0 bytes", lambda: copy(client, "empty.csv", "t")),
        (NotSupported, "CSV", lambda: copy(client, "calls.ods", "t")),
        (UnknownTable, "'calls'", lambda: client.drop_table("cals")),
        (UnknownTable, "'calls'", lambda: read(client, "SELECT * FROM cals")),
        (StatementError, "COPY", lambda: read(client, "DROP TABLE calls")),
        (UnknownModel, "tutorial_audio_recognition", lambda: client.get_model("tutorial_audio")),
        (StatementError, "letters", lambda: client.reserve_model_version("a/b")),
    ):
        with pytest.raises(error) as caught:
            call()
        assert hint in caught.value.hint


def test_dropping_what_is_not_there_is_fine_where_that_is_said(client: CatalogClient) -> None:
    assert client.drop_table("t", if_exists=True) is False
    assert client.delete_model("m", if_exists=True) == 0


def test_a_model_is_registered_served_and_deleted_with_its_files(client: CatalogClient, config: CatalogConfig) -> None:
    version = client.reserve_model_version("mine")
    folder = config.models / "mine" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"graph")
    registered = client.register_model(Model("mine", version, "Wav2Vec2En", "base", wer=0.2))
    assert client.get_model("mine") == registered
    assert [model.name for model in client.get_snapshot().models] == ["mine", "tutorial_audio_recognition"]
    assert client.delete_model("mine") == 1
    assert not (config.models / "mine").exists()
    assert client.reserve_model_version("mine") == version + 1


def test_a_job_goes_from_hand_to_hand(client: CatalogClient) -> None:
    spec = JobSpec(JobKind.BUILD, "mine", "Wav2Vec2En", eval_fraction=0.2)
    assert client.create_job("job-1", spec).state is JobState.QUEUED
    claimed = client.claim_job("trainer", 30)
    assert claimed is not None
    assert (claimed.id, claimed.spec, claimed.owner) == ("job-1", spec, "trainer")
    assert client.claim_job("other", 30) is None
    assert client.renew_job_lease("job-1", "trainer", 60).lease_expires_at > claimed.lease_expires_at
    assert client.finish_job("job-1", JobState.SUCCEEDED).state is JobState.SUCCEEDED
    assert [job.state for job in client.list_jobs()] == [JobState.SUCCEEDED]


def test_a_job_that_failed_is_resumed_and_claimed_again(client: CatalogClient) -> None:
    client.create_job("first", JobSpec(JobKind.FIT, "mine", "mine"))
    client.create_job("second", JobSpec(JobKind.BUILD, "yours", "Wav2Vec2En"))
    client.claim_job("trainer", 30)
    client.finish_job("first", JobState.FAILED, "memory ran out")
    resumed = client.resume_job("first")
    assert (resumed.state, resumed.attempts, resumed.error) == (JobState.QUEUED, 0, "")
    claimed = client.claim_job("trainer", 30)
    assert claimed is not None
    assert (claimed.id, claimed.attempts) == ("first", 1)  # at its old place, before the second
    with pytest.raises(NotFound):
        client.resume_job("third")


def test_transcripts_are_kept(client: CatalogClient) -> None:
    transcript = CachedTranscript(AudioKey("a.wav", 10, 20), "hello", 0.9, "[]", 1.0)
    client.store_transcripts("tutorial_audio_recognition", 1, [transcript])
    assert client.lookup_transcripts("tutorial_audio_recognition", 1, [transcript.key]) == (transcript,)


def test_everything_is_there_after_a_restart(config: CatalogConfig, workspace: Path) -> None:
    (workspace / "calls.csv").write_text("text\nhello\n")
    first = start(config)
    with open_channel(first.address) as channel:
        copy(CatalogClient(channel), "calls.csv")
        CatalogClient(channel).register_model(Model("mine", 1, "Wav2Vec2En", "base"))
    first.stop()
    second = start(config)
    with open_channel(second.address) as channel:
        snapshot = CatalogClient(channel).get_snapshot()
    second.stop()
    assert [table.name for table in snapshot.tables] == ["calls"]
    assert [model.name for model in snapshot.models] == ["mine", "tutorial_audio_recognition"]


def test_a_call_without_the_token_is_refused(config: CatalogConfig) -> None:
    server = start(replace(config, token="secret"))
    with open_channel(server.address) as channel, pytest.raises(Unauthenticated):
        CatalogClient(channel).get_snapshot()
    server.stop()
