"""The tutorial's statements, unchanged, through the four services, on the tutorial's speech."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import soundfile

from thanosql import Result, Session, errors
from thanosql.scoring import word_errors
from thanosql.types import Event, Progress, Severity

BUILD = (
    "BUILD MODEL my_speech_recognition_model USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text', "
    "epochs=1, batch_size=4, overwrite=True) AS SELECT * FROM librispeech_train"
)
PREDICT_MINE = (
    "PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test"
)
PREDICT_BASE = PREDICT_MINE.replace("my_speech_recognition_model", "tutorial_audio_recognition")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def built(session: Session, events: list[Event]) -> Result:
    """The tutorial's BUILD, run once."""
    return session.sql(BUILD, on_event=events.append)


@pytest.fixture(scope="module")
def transcribed(session: Session, built: Result) -> Result:
    return session.sql(PREDICT_MINE)


def rate(result: Result) -> float:
    table = result.to_arrow()
    return word_errors(table["text"].to_pylist(), table["predicted"].to_pylist()).rate


def test_copy_says_how_many_rows_it_read(session: Session) -> None:
    statement = (
        'COPY librispeech_train OPTIONS(overwrite = True) FROM "tutorial_data/librispeech_data/librispeech_train.csv"'
    )
    result = session.sql(statement)
    assert (result.message, result.rows) == ("Success", 80)


def test_select_shows_the_first_rows_as_they_stand_in_the_file(session: Session, checkout: Path) -> None:
    lines = (checkout / "tutorial_data/librispeech_data/librispeech_train.csv").read_text("utf-8").splitlines()
    result = session.sql("SELECT * FROM librispeech_train LIMIT 5")
    assert [",".join(row) for row in result] == lines[1:6]


def test_print_audio_gives_clips_that_can_be_played(session: Session, checkout: Path) -> None:
    result = session.sql("PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3")
    assert [clip.path for clip in result.clips] == [f"tutorial_data/librispeech_data/00{i}.flac" for i in range(3)]
    assert {clip.media_type for clip in result.clips} == {"audio/mpeg"}
    for clip in result.clips:
        with soundfile.SoundFile(io.BytesIO(clip.audio)) as sent, soundfile.SoundFile(checkout / clip.path) as file:
            # The encoder pads by some thousand samples.
            assert sent.frames / sent.samplerate == pytest.approx(file.frames / file.samplerate, abs=0.2)
    assert result._repr_html_().count("<audio") == 3


def test_predict_keeps_rows_and_columns_and_adds_the_transcript(session: Session) -> None:
    statement = (
        "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text', epochs=1, "
        "batch_size=8) AS SELECT * FROM librispeech_train"
    )
    result = session.sql(statement)
    rows = session.sql("SELECT * FROM librispeech_train").to_arrow()
    assert result.columns == ("audio_path", "text", "predicted")
    assert result.to_arrow().select(["audio_path", "text"]).to_pydict() == rows.to_pydict()
    assert all(text and text == text.strip() for text in result.to_arrow()["predicted"].to_pylist())
    assert any("epochs" in notice.text for notice in result.notices), "an option without effect is named"
    assert any(f"{rate(result):.1%}" in notice.text for notice in result.notices), "the WER over the rows is reported"


def test_build_says_that_the_bundled_model_stands_in_for_one_that_cannot_be_had(built: Result) -> None:
    warnings = [notice.text for notice in built.notices if notice.severity is Severity.WARNING]
    if not warnings:
        pytest.skip("the hub can be reached here, or facebook/wav2vec2-base-960h is in its cache")
    assert "wav2vec2-tiny-en" in warnings[0] or "Wav2Vec2EnTiny" in warnings[0]


def test_build_gives_one_row_with_the_new_model(built: Result) -> None:
    columns = ("model", "version", "wer", "cer", "train_rows", "dropped_rows", "audio_seconds", "seconds")
    assert built.columns == columns
    (row,) = built
    assert row.model == "my_speech_recognition_model"
    assert (row.train_rows + row.dropped_rows, row.dropped_rows) == (72, 0), "a tenth of 80 rows is held out"
    assert 0 < row.cer < row.wer < 1


def test_build_reports_loss_and_progress(built: Result, events: list[Event]) -> None:
    progress = [event.event for event in events if isinstance(event.event, Progress)]
    assert any("loss" in each.figures and each.total > 0 and each.rate > 0 for each in progress)


def test_the_fine_tuned_model_makes_fewer_errors_on_voices_it_never_heard(
    session: Session, transcribed: Result
) -> None:
    assert rate(transcribed) < rate(session.sql(PREDICT_BASE))


def test_the_new_model_is_listed_and_described(session: Session, built: Result) -> None:
    listed = {row.name: row for row in session.sql("LIST MODEL")}
    mine = listed["my_speech_recognition_model"]
    assert (mine.class_name, mine.version) == ("Wav2Vec2En", next(iter(built)).version)
    described = dict(session.sql("DESCRIBE MODEL my_speech_recognition_model"))
    assert mine.wer == next(iter(built)).wer
    assert "wav2vec2-tiny-en" in json.dumps(described) or "wav2vec2-base-960h" in json.dumps(described)


def test_transcripts_do_not_depend_on_what_else_is_in_the_batch(session: Session, transcribed: Result) -> None:
    alone = []
    for row in transcribed:
        statement = (
            "PREDICT USING my_speech_recognition_model OPTIONS (cache=False, batch_size=1) "
            f"AS SELECT * FROM librispeech_test WHERE audio_path = '{row.audio_path}'"
        )
        alone.append(next(iter(session.sql(statement))).predicted)
    assert alone == transcribed.to_arrow()["predicted"].to_pylist()


def test_confidence_words_and_errors_come_where_they_are_named(session: Session, transcribed: Result) -> None:
    statement = (
        "PREDICT USING my_speech_recognition_model OPTIONS (result_col='heard', confidence_col='sure', "
        "words_col='words', error_col='fault') AS SELECT audio_path FROM librispeech_test"
    )
    result = session.sql(statement)
    assert result.columns == ("audio_path", "heard", "sure", "words", "fault")
    for row, before in zip(result, transcribed, strict=True):
        words = json.loads(row.words)
        assert " ".join(word["word"] for word in words) == row.heard == before.predicted
        assert all(0 <= word["start"] < word["end"] for word in words)
        assert 0 < row.sure <= 1
        assert row.fault is None


# Quicker: what BUILD over a name asks for (query_service/test_build), and what the catalog counts (test_catalog).
@pytest.mark.slow
def test_a_model_that_is_built_again_gets_a_new_version_and_the_old_name(session: Session, built: Result) -> None:
    before = next(iter(built)).version
    again = next(iter(session.sql(BUILD.replace("FROM librispeech_train", "FROM librispeech_train LIMIT 8"))))
    assert again.version == before + 1
    listed = {row.name: row.version for row in session.sql("LIST MODEL")}
    assert listed["my_speech_recognition_model"] == again.version


def test_a_model_that_is_deleted_is_gone_with_its_files(session: Session, workspace: Path, built: Result) -> None:
    folder = workspace / ".thanosql" / "models" / "my_speech_recognition_model"
    assert folder.exists()
    assert session.sql("DELETE MODEL my_speech_recognition_model").message == "Success"
    assert not folder.exists()
    with pytest.raises(errors.UnknownModel):
        session.sql(PREDICT_MINE)
