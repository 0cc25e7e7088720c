"""EXPLAIN: what a statement would do, through a real catalog, a played trainer and a played inference service."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid

import pytest

from query_service.explaining import recordings, soundings
from thanosql.errors import (
    Cancelled,
    DataError,
    InvalidOption,
    NotFound,
    NotSupported,
    UnknownBaseModel,
    UnknownColumn,
    UnknownModel,
    UnknownTable,
)
from thanosql.types import Model, Progress


def plan(services, statement):
    """The lines of EXPLAIN, without their indentation."""
    return [row["plan"].strip() for row in services.rows(f"EXPLAIN {statement}")]


@pytest.fixture
def calls(services):
    """A table of six rows: three recordings of a second, one of them twice, one that is missing, one without a path."""
    paths = [*services.recordings("b.wav", "a.wav", "c.wav"), "audio/a.wav", "missing.wav", ""]
    services.table("calls", "id,audio_path,text\n" + "".join(f"{i},{path},say {i}\n" for i, path in enumerate(paths)))
    return "calls"


@pytest.fixture
def fresh(services):
    """The name of a model, in its first version, whose transcripts are known to nobody."""
    name = f"fresh_{uuid.uuid4().hex[:8]}"
    version = services.catalog.reserve_model_version(name)
    services.catalog.register_model(Model(name, version, "Wav2Vec2En", "a/b@c"))
    yield name
    services.catalog.delete_model(name)


FAILURES = "2 of 6 rows would have no transcript: 1 missing (missing.wav), 1 without a path (row 6)"


def test_predict_tells_rows_files_audio_batches_time_and_what_would_fail(services, fresh, calls):
    assert [row["plan"] for row in services.rows(f"EXPLAIN PREDICT USING {fresh} AS SELECT * FROM {calls}")] == [
        "PREDICT",
        f"  → transcribe audio_path with {fresh}, version 1",
        "      6 rows, 3 distinct files, 3.0 s of audio",
        "      cached: 0 of 3 files (0 %)",
        "      to transcribe: 3 files, 3.0 s of audio, in 3 batches",
        "      expected time: about 0.3 s, at 10 s of audio a second (calibrated on 2026-01-02)",
        f"      {FAILURES}",
        "    → fetch rows: SELECT * FROM calls",
    ]


def test_nothing_runs(services, fresh, calls):
    jobs = services.catalog.list_jobs()
    for statement in (
        f"PREDICT USING {fresh} AS SELECT * FROM {calls}",
        f"EVALUATE USING {fresh} AS SELECT * FROM {calls}",
        f"BUILD MODEL never USING Wav2Vec2En AS SELECT * FROM {calls}",
        "PREDICT USING tutorial_audio_recognition AS SELECT * FROM calls",
        f"PRINT AUDIO AS SELECT * FROM {calls}",
        f"COPY {calls} OPTIONS (overwrite=True) FROM 'calls.csv'",
        f"DROP TABLE {calls}",
        f"DELETE MODEL {fresh}",
    ):
        before = services.catalog.get_snapshot()
        plan(services, statement)
        assert services.catalog.get_snapshot() == before
    assert services.inference.starts == []
    assert services.trainer.specs == []
    assert services.catalog.list_jobs() == jobs
    assert plan(services, f"PREDICT USING {fresh} AS SELECT * FROM {calls}")[3] == "cached: 0 of 3 files (0 %)"


def test_files_whose_transcripts_are_kept_are_counted_and_not_transcribed(services, fresh, calls):
    services.run(f"PREDICT USING {fresh} AS SELECT * FROM {calls} WHERE id < 2")
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    # What was played as heard lasted two seconds.
    assert lines[2:5] == [
        "6 rows, 3 distinct files, 5.0 s of audio",
        "cached: 2 of 3 files (67 %)",
        "to transcribe: 1 file, 1.0 s of audio, in 1 batch",
    ]
    services.run(f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    assert lines[3:6] == ["cached: 3 of 3 files (100 %)", "to transcribe: nothing", FAILURES]
    others = plan(services, f"PREDICT USING {fresh} OPTIONS (hotwords=['anna']) AS SELECT * FROM {calls}")
    assert others[3] == "cached: 0 of 3 files (0 %)"


def test_without_the_cache_all_is_transcribed(services, fresh, calls):
    services.run(f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    lines = plan(services, f"PREDICT USING {fresh} OPTIONS (cache=False) AS SELECT * FROM {calls}")
    assert lines[3:5] == [
        "cached: not looked at, because cache is False",
        "to transcribe: 3 files, 3.0 s of audio, in 3 batches",
    ]


def test_a_copied_file_is_known_by_its_content_unless_that_is_much_to_read(services, fresh, monkeypatch):
    (path,) = services.recordings("one.wav", folder="original")
    services.table("original", f"audio_path\n{path}\n")
    services.run(f"PREDICT USING {fresh} AS SELECT * FROM original")
    copy = services.workspace / "original" / "copy.wav"
    copy.write_bytes((services.workspace / path).read_bytes())
    services.table("copied", "audio_path\noriginal/copy.wav\n")
    statement = f"PREDICT USING {fresh} AS SELECT * FROM copied"
    assert plan(services, statement)[3] == "cached: 1 of 1 file (100 %)"
    # Nothing was noted of that: without its content the file is still not known.
    monkeypatch.setattr(recordings, "MOST_HASHED", 1_000)
    assert plan(services, statement)[3:5] == [
        "cached: 0 of 1 file (0 %)",
        "others may be known by their content, which is not looked at: they have 16.1 kB",
    ]


def test_files_of_the_same_content_are_transcribed_once(services, fresh):
    paths = [*services.recordings("x.wav", folder="same"), "same/y.wav"]
    (services.workspace / paths[1]).write_bytes((services.workspace / paths[0]).read_bytes())
    services.table("same", "audio_path\n" + "\n".join(paths) + "\n")
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM same")
    assert lines[4:6] == [
        "1 file with the same content as another one",
        "to transcribe: 1 file, 1.0 s of audio, in 1 batch",
    ]


def test_many_headers_are_sampled_and_the_sample_is_told(services, fresh, monkeypatch):
    monkeypatch.setattr(soundings, "MOST_HEADERS", 4)
    paths = services.recordings(*(f"{number}.wav" for number in range(10)), folder="many")
    (services.workspace / paths[3]).write_bytes(b"no sound")
    services.table("many", "audio_path\n" + "\n".join(paths) + "\n")
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM many")
    assert lines[2:5] == [
        "10 rows, 10 distinct files, about 7.5 s of audio",
        "the headers of 4 files were read, which stand for 10",
        "cached: 0 of 10 files (0 %)",
    ]
    assert lines[5].startswith("to transcribe: about 8 files, about 7.5 s of audio")
    assert lines[7] == "1 of the rows whose files were read would have no transcript: 1 unreadable (many/3.wav)"
    (request,) = services.inference.estimated
    assert (list(request.seconds), request.recordings) == (pytest.approx(3 * [1.0], abs=0.01), 8)


def test_recordings_of_unusable_lengths_and_paths_that_leave_the_workspace_are_told(services, fresh):
    (path,) = services.recordings("hour.wav", folder="odd")
    services.inference.estimate.longest_seconds = 0.5
    (services.workspace / "odd" / "short.wav").write_bytes((services.workspace / path).read_bytes()[:244])
    header = bytearray((services.workspace / "odd" / "short.wav").read_bytes())
    header[40:44] = (200).to_bytes(4, "little")
    header[4:8] = (236).to_bytes(4, "little")
    (services.workspace / "odd" / "short.wav").write_bytes(header)
    services.table("odd", "audio_path\nodd/hour.wav\nodd/short.wav\n../elsewhere.wav\n")
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM odd")
    assert lines[-2] == (
        "3 of 3 rows would have no transcript: 1 too long (odd/hour.wav), 1 too short (odd/short.wav), "
        "1 path refused (../elsewhere.wav)"
    )


def test_where_on_error_is_fail_the_row_is_told_at_which_it_would_stop(services, fresh, calls):
    lines = plan(services, f"PREDICT USING {fresh} OPTIONS (on_error='fail') AS SELECT * FROM {calls}")
    assert lines[-2] == (
        "the statement would stop at row 5, because on_error is 'fail': file 'missing.wav' does not exist"
    )


def test_a_model_that_was_never_measured_has_no_expected_time(services, fresh, calls):
    services.inference.estimate = None
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    assert lines[4:6] == [
        "to transcribe: 3 files, 3.0 s of audio",
        "expected time: not known: it was never measured",
    ]


def test_a_model_that_is_made_ready_first_says_from_what(services, pending_model, calls):
    services.trainer.fallback_notice = "The bundled model stands in."
    lines = plan(services, f"PREDICT USING {pending_model} AS SELECT * FROM {calls}")
    assert lines[1:5] == [
        f"→ make {pending_model} ready, which is used for the first time",
        "base: a/b, downloaded from the hub",
        "The bundled model stands in.",
        f"→ transcribe audio_path with {pending_model}, as it will have been made ready",
    ]
    assert "expected time: not known: the model is made ready first, and measured when it is first loaded" in lines


def test_other_servers_of_models_tell_no_time(services, fresh, calls):
    client = services.another(inference="oip://127.0.0.1:1")
    services = dataclasses.replace(services, client=client)
    lines = plan(services, f"PREDICT USING {fresh} AS SELECT * FROM {calls}")
    (time,) = [line for line in lines if line.startswith("expected time")]
    assert "does not tell how fast it is" in time


def test_evaluate_leaves_out_rows_without_a_text(services, fresh):
    paths = services.recordings("p.wav", "q.wav", folder="scored")
    services.table("scored", f"audio_path,text\n{paths[0]},yes\n{paths[1]},\nmissing.wav,\n")
    lines = plan(services, f"EVALUATE USING {fresh} AS SELECT * FROM scored")
    assert lines[1] == f"→ transcribe audio_path with {fresh}, version 1, and score that against text"
    assert "2 rows without a text in text are left out" in lines
    assert "to transcribe: 1 file, 1.0 s of audio, in 1 batch" in lines
    assert not [line for line in lines if "would have no transcript" in line]


def test_a_nested_predict_is_weighed_where_it_stands(services, fresh, calls):
    rows = services.rows(
        f"EXPLAIN SELECT text, count(*) FROM (PREDICT USING {fresh} AS SELECT * FROM {calls}) "
        "WHERE predicted LIKE 'a%' AND id > 1 GROUP BY text"
    )
    lines = [row["plan"] for row in rows]
    assert lines[0] == "SELECT"
    assert lines[1].startswith("  → fetch rows: SELECT text, COUNT(*)")
    assert lines[2] == "    → predict_1: rows that are kept for the query above"
    assert lines[3] == f"      → transcribe audio_path with {fresh}, version 1"
    assert lines[4] == "          4 rows, 2 distinct files, 2.0 s of audio"
    assert lines[-1].startswith("        → fetch rows: SELECT * FROM")


def test_two_predicts_of_one_table_are_weighed_each_and_together(services, fresh, ready_model, calls):
    inner = "(PREDICT USING {} OPTIONS (cache=False) AS SELECT * FROM calls)"
    lines = plan(services, f"SELECT * FROM {inner.format(fresh)} a JOIN {inner.format(ready_model)} b ON a.id = b.id")
    assert len([line for line in lines if line.startswith("to transcribe: 3 files")]) == 2
    assert lines[-1] == "expected time in all: about 0.6 s"


def test_a_predict_over_the_rows_of_another_one_is_weighed_unless_it_depends_on_what_is_heard(services, fresh, calls):
    nested = f"PREDICT USING {fresh} OPTIONS (result_col='again', hotwords=['x']) AS SELECT * FROM "
    inner = f"(PREDICT USING {fresh} AS SELECT * FROM {calls})"
    lines = plan(services, nested + inner)
    assert len([line for line in lines if line.startswith("to transcribe: 3 files")]) == 2
    lines = plan(services, f"{nested}{inner} WHERE predicted LIKE 'a%'")
    assert lines[2] == "how much there is to do is not known before the statement runs: it depends on what is heard"
    assert lines[-1] == "expected time in all: about 0.3 s, and what is not known"


def test_a_file_that_two_steps_have_heard_in_the_same_way_is_transcribed_once(services, fresh, calls):
    nested = f"PREDICT USING {fresh} OPTIONS (result_col='again') AS SELECT * FROM "
    lines = plan(services, f"{nested}(PREDICT USING {fresh} AS SELECT * FROM {calls})")
    assert lines[4:6] == ["3 files that another step of the statement has transcribed", "to transcribe: nothing"]


def test_a_limit_that_stops_the_model_early_is_told(services, fresh, calls):
    lines = plan(
        services,
        f"SELECT * FROM (PREDICT USING {fresh} AS SELECT * FROM {calls}) WHERE predicted = 'a' LIMIT 2",
    )
    assert "stops when 2 rows are there, which may be long before all are transcribed" in lines


def test_rows_of_a_list_inside_are_known(services, fresh, calls):
    lines = plan(
        services, f"PREDICT USING {fresh} OPTIONS (audio_col='name') AS SELECT name FROM (LIST TABLES) WHERE rows > 0"
    )
    assert any("would have no transcript" in line and "missing" in line for line in lines)


def test_build_tells_what_is_learned_from_and_how(services, calls):
    assert plan(services, f"BUILD MODEL planned USING Wav2Vec2En AS SELECT * FROM {calls}") == [
        "BUILD MODEL",
        "→ fine-tune Wav2Vec2En into planned, as a job",
        "base: a/b, downloaded from the hub",
        "6 rows, 3 distinct files, 3.0 s of audio",
        "2 of 6 rows would be dropped: 1 missing (missing.wav), 1 without a path (row 6)",
        "to learn from: 4 rows, 4.0 s of audio; held out: 0 rows",
        "training: 5 epochs of about 3 steps of at most 4 rows, learning rate 0.0001, without augmentation",
        "a row whose text the alphabet cannot spell, or whose recording is silent, is found out by the job",
        "expected time: not known: no training of this base was measured here",
        "→ fetch rows: SELECT * FROM calls",
    ]
    ((spec, rows, seconds),) = services.trainer.planned
    assert (spec.model, spec.base, rows, seconds) == ("planned", "Wav2Vec2En", 4, pytest.approx(4 * [1.0], abs=0.01))


def test_build_drops_rows_without_a_text_and_recordings_that_are_too_long_to_learn_from(services, monkeypatch):
    paths = services.recordings("s.wav", "t.wav", folder="learned")
    sound = (services.workspace / paths[1]).read_bytes()
    samples = sound[44:] * 41
    header = bytearray(sound[:44])
    header[40:44], header[4:8] = len(samples).to_bytes(4, "little"), (36 + len(samples)).to_bytes(4, "little")
    (services.workspace / paths[1]).write_bytes(bytes(header) + samples)
    services.table("learned", f"audio_path,text\n{paths[0]},yes\n{paths[0]},\n{paths[1]},no\n")
    lines = plan(services, "BUILD MODEL unlearned USING Wav2Vec2En AS SELECT * FROM learned")
    assert "1 row without a text in text would be dropped" in lines
    assert "1 of 3 rows would be dropped: 1 too long (learned/t.wav)" in lines
    assert "to learn from: 1 row, 1.0 s of audio; held out: 0 rows" in lines


def test_the_time_of_a_training_is_told_from_an_earlier_one_of_the_same_base(services, fresh, calls):
    report = {"audio_seconds_per_second": 20.0, "seconds": 45.0, "audio_seconds": 110.0, "held_out_seconds": 10.0}
    services.catalog.register_model(Model(fresh, 1, "Wav2Vec2En", "a/b", report=json.dumps({**report, "epochs": 4})))
    lines = plan(services, f"BUILD MODEL timed USING Wav2Vec2En AS SELECT * FROM {calls}")
    assert lines[-2] == (
        "expected time: about 1.0 s of training, at 20 s of audio a second as of "
        f"{fresh} version 1, which took 25 s besides"
    )


def test_fit_tells_that_the_model_gets_a_new_version(services, fresh, calls):
    lines = plan(services, f"FIT MODEL {fresh} USING {fresh} AS SELECT * FROM {calls}")
    assert lines[1:3] == [
        f"→ go on training {fresh} into {fresh}, as a job",
        f"a model {fresh} exists, in version 1: it gets a new version",
    ]


def test_print_audio_tells_what_cannot_be_played(services, calls):
    lines = plan(services, f"PRINT AUDIO AS SELECT * FROM {calls}")
    assert lines[1:4] == [
        "→ play audio",
        "6 clips, 3 distinct files, 3.0 s of audio",
        "2 of 6 rows cannot be played: 1 missing (missing.wav), 1 without a path (row 6)",
    ]


def test_effects_tell_what_would_be_there_and_gone(services, fresh, calls):
    assert plan(services, f"COPY {calls} OPTIONS (overwrite=True) FROM 'calls.csv'")[2:] == [
        "a file of 128 bytes",
        "table calls exists with 6 rows: they are replaced",
    ]
    assert plan(services, "COPY new_calls FROM 'audio'")[2:] == ["a folder of recordings", "table new_calls is made"]
    assert plan(services, f"DROP TABLE {calls}")[1:] == ["→ drop table calls", "it has 6 rows, which are deleted"]
    assert plan(services, "DROP TABLE IF EXISTS nowhere")[2] == "there is no such table: nothing is dropped"
    assert plan(services, f"DELETE MODEL {fresh}")[2] == "it is there in version 1: all its versions are deleted"


def test_writes_tell_how_many_rows_and_where_they_go(services, fresh, calls):
    services.run("DROP TABLE IF EXISTS heard")
    lines = plan(
        services, f"CREATE TABLE heard AS SELECT * FROM (PREDICT USING {fresh} AS SELECT * FROM {calls}) WHERE id > 2"
    )
    assert lines[:5] == [
        "CREATE TABLE",
        "→ write table heard",
        "3 rows would be written",
        "table heard is made",
        "→ fetch rows: SELECT * FROM (SELECT * FROM predict_1)",
    ]
    assert "3 rows, 1 distinct file, 1.0 s of audio" in lines
    lines = plan(services, f"INSERT INTO {calls} SELECT * FROM {calls} WHERE id < 2")
    assert lines[1:4] == [
        "→ write table calls",
        "2 rows would be written",
        "table calls exists with 6 rows: they stay, and rows are added",
    ]
    lines = plan(
        services,
        "CREATE TABLE heard AS SELECT predicted, count(*) AS times "
        f"FROM (PREDICT USING {fresh} AS SELECT * FROM {calls}) GROUP BY predicted",
    )
    assert lines[2] == "rows that are not known before the statement runs would be written"


def test_changes_tell_how_many_rows_they_meet(services, fresh, calls):
    assert plan(services, f"UPDATE {calls} SET text = 'x' WHERE id > 3")[2] == "2 rows of 6 would be changed"
    assert plan(services, f"DELETE FROM {calls} WHERE audio_path = 'audio/a.wav'")[2] == "2 rows of 6 would be deleted"
    assert plan(services, f"DELETE FROM {calls}")[2:4] == [
        "6 rows of 6 would be deleted",
        "there is no WHERE: this is said of all rows",
    ]
    lines = plan(
        services,
        f"UPDATE {calls} SET text = p.predicted FROM (PREDICT USING {fresh} AS SELECT * FROM {calls}) AS p "
        "WHERE p.id = calls.id AND p.id < 2",
    )
    assert lines[2] == "2 rows of 6 would be changed"
    assert any(line.startswith("to transcribe: ") for line in lines)


def test_renames_tell_the_names(services, calls):
    assert plan(services, f"ALTER TABLE {calls} RENAME TO calls_renamed")[1:] == [
        "→ rename table calls to calls_renamed",
        "table calls exists with 6 rows",
    ]
    assert plan(services, f"ALTER TABLE {calls} RENAME text TO said")[1:] == [
        "→ rename column text of table calls to said"
    ]


def test_getting_a_model_tells_where_it_comes_from(services):
    assert plan(services, "GET THANOSQL MODEL Wav2Vec2En")[1:] == [
        "→ make model wav2vec2en, as a job",
        "base: a/b, downloaded from the hub",
    ]


def test_what_is_simple_is_told_as_it_is(services, calls):
    assert plan(services, "LIST TABLES") == ["LIST TABLE", "→ show tables"]
    assert plan(services, "CANCEL JOB 4f2e") == ["CANCEL JOB", "→ stop job", "job: 4f2e"]
    assert plan(services, f"SELECT id FROM {calls}") == ["SELECT", "→ fetch rows: SELECT id FROM calls"]


@pytest.mark.parametrize(
    ("statement", "kind", "column"),
    [
        ("PREDICT USING nobody AS SELECT * FROM calls", UnknownModel, 23),
        ("PREDICT USING {fresh} AS SELECT id FROM calls", UnknownColumn, 41),
        ("PREDICT USING {fresh} OPTIONS (audio_col='id') AS SELECT * FROM calls", InvalidOption, 57),
        ("SELECT * FROM (PREDICT USING {fresh} AS SELECT * FROM nowhere)", UnknownTable, 70),
        ("BUILD MODEL q USING Nothing AS SELECT * FROM calls", UnknownBaseModel, 29),
        ("BUILD MODEL q USING Wav2Vec2En AS SELECT * FROM calls WHERE id > 3", DataError, 43),
        ("COPY q FROM 'nothing.csv'", NotFound, 21),
        ("UPLOAD MODEL q FROM 'nothing'", NotFound, 29),
        ("GET THANOSQL MODEL Nothing", UnknownModel, 28),
        ("DROP TABLE nowhere", UnknownTable, 20),
    ],
)
def test_a_statement_that_could_not_run_fails_as_it_would(services, fresh, calls, statement, kind, column):
    statement = statement.format(fresh=fresh)
    error, own = services.fails(f"EXPLAIN {statement}"), services.fails(statement)
    assert type(error) is type(own) is kind
    assert (error.message, error.hint) == (own.message, own.hint)
    assert (error.line, error.column) == (1, column)
    assert own.column == column - len("EXPLAIN ")


def test_explain_analyze_is_refused_by_name(services):
    error = services.fails("EXPLAIN ANALYZE SELECT 1")
    assert isinstance(error, NotSupported)
    assert "EXPLAIN runs nothing" in error.hint


def test_what_is_read_for_long_is_told_and_can_be_cancelled(services, fresh, calls, monkeypatch):
    events = services.run(f"EXPLAIN PREDICT USING {fresh} AS SELECT * FROM {calls}")
    assert {event.phase for event in events if isinstance(event, Progress)} == {
        "read rows",
        "look up transcripts",
        "read headers",
    }
    ids = []

    def stop(*_):
        services.client.cancel(ids[0])
        return b""

    from thanosql import audio

    monkeypatch.setattr(soundings, "AT_ONCE", 1)
    monkeypatch.setattr(audio, "read_header", lambda *args, **_: stop() or os.stat(args[0]))  # noqa: PTH116
    ids.append("cancelled0explain")
    with pytest.raises(Cancelled):
        list(services.client.execute(f"EXPLAIN PREDICT USING {fresh} AS SELECT * FROM {calls}", ids[0]))
