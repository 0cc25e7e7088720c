"""BUILD MODEL: rows to a played trainer, its job's events to the user."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from query_service.jobs import follow
from thanosql.errors import Cancelled, DataError, JobFailed, NotFound, Unavailable, UnknownBaseModel
from thanosql.types import Notice, Progress, Severity


@pytest.fixture
def spoken(services):
    paths = services.recordings("x.wav", "y.wav")
    services.table("spoken", "who,what,path\n" + "".join(f"anna,words {i},{path}\n" for i, path in enumerate(paths)))
    return "OPTIONS (audio_col='path', text_col='what') AS SELECT * FROM spoken"


def test_the_trainer_gets_the_rows_and_the_options_and_the_user_the_result(services, spoken):
    statement = (
        "BUILD MODEL built USING Wav2Vec2En OPTIONS (audio_col='path', text_col='what', epochs=2, batch_size=3, "
        "learning_rate=1e-4, eval_fraction=0.5, seed=9, early_stopping=True) AS SELECT * FROM spoken"
    )
    events = services.run(statement)
    (spec,) = services.trainer.specs
    assert (spec.model, spec.base, spec.epochs, spec.batch_size) == ("built", "Wav2Vec2En", 2, 3)
    assert (spec.learning_rate, spec.eval_fraction, spec.seed, spec.early_stopping) == (1e-4, 0.5, 9, True)
    assert spec.statement == statement
    assert services.trainer.rows == [
        {"audio_path": "audio/x.wav", "text": "words 0"},
        {"audio_path": "audio/y.wav", "text": "words 1"},
    ]
    notices = [event.text for event in events if isinstance(event, Notice)]
    id = services.catalog.list_jobs()[0].id[:8]
    assert notices == [f"This is job {id}: CANCEL JOB {id} stops it, RESUME JOB goes on with it.", "2 rows are dropped"]
    assert [event.done for event in events if isinstance(event, Progress) and event.phase == "train"][-1] == 4
    (row,) = services.rows(statement.replace("built", "built_too"))
    assert row == {
        "model": "built_too",
        "version": 1,
        "wer": 0.25,
        "cer": None,
        "train_rows": 70,
        "dropped_rows": 2,
        "audio_seconds": 300.0,
        "seconds": 12.0,
    }


@pytest.mark.parametrize(("option", "asked"), [("", ""), ("True", "true"), ("False", "false"), ("'lm.txt'", "lm.txt")])
def test_the_trainer_is_told_which_language_model_is_wanted(services, spoken, option, asked):
    (services.workspace / "lm.txt").write_text("words and more words\n")
    given = f", language_model={option}" if option else ""
    options = spoken.replace("what')", f"what', overwrite=True{given})")
    services.run(f"BUILD MODEL worded USING Wav2Vec2En {options}")
    assert services.trainer.specs[-1].language_model == asked


def test_a_file_of_a_language_model_that_is_not_there_is_told_before_the_training(services, spoken):
    options = spoken.replace("what')", "what', language_model='missing.arpa')")
    error = services.fails(f"BUILD MODEL unworded USING Wav2Vec2En {options}")
    assert isinstance(error, NotFound)
    assert "'missing.arpa' does not exist" in error.message
    assert error.column
    assert services.trainer.specs == []


def test_a_speaker_column_goes_along(services, spoken):
    services.run(
        "BUILD MODEL spoken_by USING Wav2Vec2En OPTIONS (audio_col='path', text_col='what') AS "
        "SELECT path, what, who AS speaker FROM spoken"
    )
    assert services.trainer.columns == ["audio_path", "text", "speaker"]
    assert services.trainer.rows[0]["speaker"] == "anna"


def test_numbers_are_texts_too(services):
    services.recordings("7.wav")
    services.table("digits", "audio_path,text\naudio/7.wav,7\n")
    services.run("BUILD MODEL digits USING Wav2Vec2En AS SELECT * FROM digits")
    assert services.trainer.rows == [{"audio_path": "audio/7.wav", "text": "7"}]


def test_a_fallback_of_the_base_is_a_warning(services, spoken):
    services.trainer.fallback_notice = "another base is used"
    events = services.run(f"BUILD MODEL fallen USING Wav2Vec2En {spoken}")
    assert Notice("another base is used", Severity.WARNING) in events


def test_an_unknown_base_is_shown_where_it_stands(services, spoken):
    error = services.fails(f"BUILD MODEL m\nUSING Wav2Vec3 {spoken}")
    assert isinstance(error, UnknownBaseModel)
    assert (error.line, error.column) == (2, 7)
    assert services.trainer.specs == []


def test_no_rows_are_refused_before_a_job_is_made(services, spoken):
    error = services.fails(f"BUILD MODEL m USING Wav2Vec2En {spoken} WHERE who = 'bob'")
    assert isinstance(error, DataError)
    assert error.message == "the query gives no rows to learn from"
    assert services.trainer.specs == []


def test_recordings_that_cannot_be_opened_are_refused_before_a_job_is_made(services):
    (services.workspace / "text.wav").write_text("this is no recording")
    services.table("bad", "audio_path,text\nmissing.wav,a\ntext.wav,b\n../out.wav,c\n")
    error = services.fails("BUILD MODEL m USING Wav2Vec2En AS SELECT * FROM bad")
    assert isinstance(error, DataError)
    assert error.message == (
        "none of the first 3 recordings can be used (1 missing, 1 unreadable, 1 path refused): "
        "file 'missing.wav' does not exist"
    )
    assert services.trainer.specs == []


def test_one_recording_that_opens_is_enough(services):
    services.recordings("fine.wav")
    services.table("mostly_bad", "audio_path,text\nmissing.wav,a\naudio/fine.wav,b\n")
    services.run("BUILD MODEL mostly USING Wav2Vec2En AS SELECT * FROM mostly_bad")
    assert len(services.trainer.rows) == 2


def test_a_failed_job_says_why(services, spoken):
    services.trainer.fails = "every row was dropped"
    error = services.fails(f"BUILD MODEL m USING Wav2Vec2En {spoken}")
    assert isinstance(error, JobFailed)
    assert error.message == "every row was dropped"
    assert services.trainer.cancelled == []


def test_a_trainer_that_goes_away_is_waited_for_and_no_event_is_lost(services, spoken, monkeypatch):
    monkeypatch.setattr(follow, "_PAUSE", 0.05)
    services.trainer.dies_before = {1, 3}
    events = services.run(f"BUILD MODEL patient USING Wav2Vec2En {spoken}")
    texts = [event.text for event in events if isinstance(event, Notice)]
    assert [text for text in texts if "away" not in text][1:] == ["2 rows are dropped"]
    assert services.trainer.watched_from[-1] == 3
    assert events[-1].rows == 1


def test_a_trainer_that_stays_away_is_given_up(services, spoken, monkeypatch):
    monkeypatch.setattr(follow, "_PAUSE", 0.05)
    client = services.another(trainer_patience=0.2)
    services.trainer.never_ends = True
    events = client.execute(f"BUILD MODEL lost USING Wav2Vec2En {spoken}")
    next(event for event in events if isinstance(event.event, Notice) and "2 rows are dropped" in event.event.text)
    threading.Thread(target=services.stop_trainer).start()
    with pytest.raises(Unavailable) as raised:
        list(events)
    assert "goes on by itself" in raised.value.hint


def test_cancel_stops_the_job(services, spoken):
    services.trainer.never_ends = True
    query_id = str(uuid.uuid4())

    def cancel():
        while not services.trainer.watched_from:
            time.sleep(0.01)
        time.sleep(0.1)
        services.client.cancel(query_id)

    threading.Thread(target=cancel).start()
    with pytest.raises(Cancelled):
        for _ in services.client.execute(f"BUILD MODEL m USING Wav2Vec2En {spoken}", query_id):
            pass
    assert services.trainer.cancelled == [services.catalog.list_jobs()[0].id]


def test_an_existing_model_is_replaced_only_where_the_statement_says_so(services, spoken):
    services.run(f"BUILD MODEL twice USING Wav2Vec2En {spoken}")
    error = services.fails(f"BUILD MODEL twice USING Wav2Vec2En {spoken}")
    assert error.message == "there is a model twice already"
    (row,) = services.rows(
        f"BUILD MODEL twice USING Wav2Vec2En {spoken.replace('OPTIONS (', 'OPTIONS (overwrite=True, ')}"
    )
    assert row["version"] == 2
