"""EVALUATE: error rates of a model with their intervals, through a real catalog and a played inference service."""

from __future__ import annotations

import pytest

from thanosql.errors import DataError, InvalidOption, UnknownColumn
from thanosql.types import Notice, Progress, Rows, Severity


@pytest.fixture
def spoken(services):
    """Twelve recordings of two speakers, each of which the played model hears as its name."""
    names = [f"word{i}.wav" for i in range(12)]
    services.recordings(*names, folder="spoken")

    def spoken(name, texts, header="audio_path,text,speaker"):
        lines = [f"spoken/word{i}.wav,{text},{'ab'[i % 2]}" for i, text in enumerate(texts)]
        services.table(name, "\n".join([header, *lines]) + "\n")
        return name

    return spoken


def scores(rows):
    return {row["metric"]: row["score"] for row in rows}


def notices(events):
    return [event.text for event in events if isinstance(event, Notice)]


def test_the_rows_are_rates_with_intervals_and_counts_without(services, ready_model, spoken):
    table = spoken("scored_well", [*(f"WORD{i}!" for i in range(9)), "wrong", "word10 more", "word11"])
    rows = services.rows(f"EVALUATE USING {ready_model} AS SELECT audio_path, text FROM {table}")
    assert [row["metric"] for row in rows] == [
        *("wer", "cer", "substitutions", "insertions", "deletions", "rows", "audio_seconds", "failed_rows")
    ]
    assert scores(rows) == pytest.approx(
        {
            "wer": 2 / 13,
            "cer": scores(rows)["cer"],
            "substitutions": 1,
            "insertions": 0,
            "deletions": 1,
            "rows": 12,
            "audio_seconds": 24.0,
            "failed_rows": 0,
        }
    )
    for row in rows[:2]:
        assert 0 <= row["low"] < row["score"] < row["high"] <= 1
    assert all(row["low"] is None and row["high"] is None for row in rows[2:])


def test_the_worst_rows_and_what_is_confused_are_told(services, ready_model, spoken):
    table = spoken("told", [*(f"word{i}" for i in range(8)), "and word8", "a word9", "no such thing", "word11 and"])
    told = notices(services.run(f"EVALUATE USING {ready_model} AS SELECT audio_path, text FROM {table}"))
    assert told[-2:] == [
        "Most errors in words: spoken/word10.wav (3 errors, 100%), spoken/word8.wav (1 error, 50%), "
        "spoken/word9.wav (1 error, 50%).",
        "Words most often left out: and (2).",
    ]


def test_few_speakers_are_told_of(services, ready_model, spoken):
    table = spoken("voices", [f"word{i}" for i in range(12)])
    told = notices(services.run(f"EVALUATE USING {ready_model} AS SELECT * FROM {table}"))
    assert any("The rows are of 2 speakers only" in text for text in told)


def test_rows_without_a_text_are_left_out_and_their_recordings_are_not_heard(services, ready_model, spoken):
    table = spoken("untold", ["word0", "", "word2", '"  "', "word4"])
    events = services.run(f"EVALUATE USING {ready_model} AS SELECT * FROM {table}")
    assert sorted(services.inference.heard) == ["spoken/word0.wav", "spoken/word2.wav", "spoken/word4.wav"]
    assert "2 rows have no text in text and cannot be scored." in notices(events)
    assert events[-1].rows == 8


def test_recordings_that_fail_are_counted_named_and_not_in_the_rates(services, ready_model, spoken):
    table = spoken("failing", [f"word{i}" for i in range(6)])
    services.inference.failures["spoken/word1.wav"] = ("silent", "spoken/word1.wav is silent")
    statement = (
        f"EVALUATE USING {ready_model} {{}} AS SELECT audio_path, text FROM {table} "
        "UNION ALL SELECT 'gone.wav', 'gone' UNION ALL SELECT NULL, 'nowhere'"
    )
    events = services.run(statement.format(""))
    found = scores(services.rows(statement.format("")))
    assert (found["wer"], found["rows"], found["failed_rows"]) == (0.0, 5, 3)
    (warning,) = [e.text for e in events if isinstance(e, Notice) and e.severity is Severity.WARNING]
    assert warning == (
        "3 of 8 rows have no transcript: 1 silent (spoken/word1.wav), 1 missing (gone.wav), 1 without a path (row 8)."
    )
    error = services.fails(statement.format("OPTIONS (on_error='fail')"))
    assert error.message == "row 7: file 'gone.wav' does not exist"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("WHERE false", "the query gives no rows to score"),
        ("WHERE text IS NULL", "none of the 2 rows has a text in text to score against"),
        ("WHERE text = 'gone'", "no row can be scored: 1 of 1 rows has no transcript: 1 missing (gone.wav)"),
    ],
)
def test_nothing_to_score_is_an_error_that_says_why(services, ready_model, rows, message):
    services.table("unscorable", "audio_path,text\ngone.wav,\ngone.wav,\ngone.wav,gone\n")
    error = services.fails(f"EVALUATE USING {ready_model} AS SELECT * FROM unscorable {rows}")
    assert isinstance(error, DataError)
    assert error.message == message
    assert error.hint
    assert error.line == 1


def test_it_shares_the_cache_with_predict(services, ready_model, spoken):
    table = spoken("shared", [f"word{i}" for i in range(12)])
    services.run(f"PREDICT USING {ready_model} AS SELECT * FROM {table}")
    events = services.run(f"EVALUATE USING {ready_model} AS SELECT * FROM {table}")
    assert len(services.inference.heard) == 12
    assert "12 files were transcribed before; their transcripts are taken from the cache." in notices(events)
    services.run(f"EVALUATE USING {ready_model} OPTIONS (cache=False, batch_size=2) AS SELECT * FROM {table}")
    assert len(services.inference.heard) == 24
    assert services.inference.starts[-1].batch_size == 2


def test_progress_is_shown(services, ready_model, spoken):
    table = spoken("shown", [f"word{i}" for i in range(12)])
    events = services.run(f"EVALUATE USING {ready_model} AS SELECT * FROM {table}")
    phases = {event.phase: event for event in events if isinstance(event, Progress)}
    assert (phases["transcribe"].done, phases["transcribe"].total) == (12, 12)
    assert sum(isinstance(event, Rows) for event in events) == 1


def test_a_model_that_is_not_exported_yet_is_made_ready_first(services, spoken):
    table = spoken("made_ready", ["word0"])
    services.run(f"EVALUATE USING tutorial_audio_recognition AS SELECT * FROM {table}")
    made = services.catalog.get_model("tutorial_audio_recognition").version
    assert services.inference.starts[0].version == made


def test_columns_that_are_known_only_at_run_time_are_checked_then(services, ready_model):
    error = services.fails(f"EVALUATE USING {ready_model} AS SELECT 7 AS audio_path, 'a' AS text")
    assert isinstance(error, InvalidOption)
    assert error.message == "the column audio_path holds int32, not paths of recordings"
    error = services.fails(f"EVALUATE USING {ready_model} AS SELECT * FROM unnest(ARRAY['a', 'b']) AS t(audio_path)")
    assert isinstance(error, UnknownColumn)
    assert error.message == "the query has no column text"
