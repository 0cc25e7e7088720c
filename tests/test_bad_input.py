"""What a new user does wrong gives one clear message or a counted row, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from thanosql import Result, Session, errors

SPOKEN = "tutorial_data/librispeech_data/080.flac"


@pytest.fixture(scope="module")
def files(workspace: Path) -> Iterator[Path]:
    """A folder of the workspace for what is broken."""
    folder = workspace / "bad"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def recordings(session: Session, workspace: Path, files: Path) -> str:
    """A table with a recording of every kind, good and bad; its name."""
    speech, rate = soundfile.read(workspace / SPOKEN, dtype="float32")
    whole = (workspace / SPOKEN).read_bytes()
    (files / "empty.wav").write_bytes(b"")
    (files / "truncated.flac").write_bytes(whole[: len(whole) // 2])
    (files / "text.wav").write_text("this is not sound\n" * 50)
    soundfile.write(files / "short.wav", speech[:160], rate)
    soundfile.write(files / "silent.wav", np.zeros(rate, np.float32), rate)
    import soxr

    high = soxr.resample(speech, rate, 44_100)
    soundfile.write(files / "stereo.wav", np.stack([high, high], 1), 44_100)
    soundfile.write(files / "telephone.wav", soxr.resample(speech, rate, 8_000), 8_000)
    shutil.copy(workspace / SPOKEN, files / "flac.wav")
    names = ["empty.wav", "truncated.flac", "text.wav", "short.wav", "silent.wav", "missing.wav", "../../out.wav"]
    names += ["stereo.wav", "telephone.wav", "flac.wav"]
    (files / "recordings.csv").write_text("audio_path,text\n" + "".join(f"bad/{name},hello\n" for name in names))
    session.sql("COPY recordings OPTIONS (overwrite=True) FROM 'bad/recordings.csv'")
    return "recordings"


def write(folder: Path, content: bytes) -> str:
    (folder / "table.csv").write_bytes(content)
    return "bad/table.csv"


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", errors.DataError, "empty"),
        ("audio_path,text\na.wav,café\n".encode("latin-1"), errors.DataError, "UTF-8"),
        (b"audio_path,text\na.wav,one\nb.wav,two,three\n", errors.DataError, "line 3"),
        (b"\x00\x01\x02\x03" * 100, errors.DataError, "not a text file"),
    ],
    ids=["empty", "not UTF-8", "ragged", "binary"],
)
def test_a_broken_csv_is_refused_and_the_old_table_stands(
    session: Session, files: Path, content: bytes, kind: type[Exception], says: str
) -> None:
    good = write(files, b"a,b\n1,2\n")
    session.sql(f"COPY kept OPTIONS (overwrite=True) FROM '{good}'")
    with pytest.raises(kind, match=says):
        session.sql(f"COPY kept OPTIONS (overwrite=True) FROM '{write(files, content)}'")
    assert [tuple(row) for row in session.sql("SELECT * FROM kept")] == [(1, 2)]


@pytest.mark.parametrize(
    ("statement", "kind", "says"),
    [
        ("COPY t FROM 'no/such.csv'", errors.NotFound, "no/such.csv"),
        ("COPY t FROM '../../etc/passwd'", errors.PathRefused, "workspace"),
        ("COPY t FROM '/etc/passwd'", errors.PathRefused, "workspace"),
        ("COPY t FROM '.thanosql/metadata.sqlite'", errors.PathRefused, "thanosql"),
        ("COPY librispeech_test FROM 'tutorial_data/librispeech_data/librispeech_test.csv'", errors.NameTaken, "over"),
        ("SELECT * FROM librispeech_tran", errors.UnknownTable, "librispeech_train"),
        ("SELECT audio_pth FROM librispeech_train", errors.UnknownColumn, "audio_path"),
        ("SELCT * FROM librispeech_train", errors.StatementSyntaxError, "SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", errors.StatementError, "read_csv"),
        (
            "PREDICT USING tutorial_audio_recogniton AS SELECT * FROM librispeech_test",
            errors.UnknownModel,
            "recognition",
        ),
        (
            "PREDICT USING tutorial_audio_recognition OPTIONS (audio_cl='x') AS SELECT * FROM librispeech_test",
            errors.InvalidOption,
            "audio_col",
        ),
        (
            "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='sound') AS SELECT * FROM librispeech_test",
            errors.UnknownColumn,
            "audio_path",
        ),
        (
            "BUILD MODEL m USING Wav2Vec2Enn AS SELECT * FROM librispeech_train",
            errors.UnknownBaseModel,
            "Wav2Vec2En",
        ),
        (
            "BUILD MODEL tutorial_audio_recognition USING Wav2Vec2EnTiny AS SELECT * FROM librispeech_train",
            errors.NameTaken,
            "overwrite",
        ),
        ("FIT MODEL m USING n AS SELECT 1", errors.UnknownModel, "BUILD MODEL"),
        ("RESUME JOB 4f2e91ab", errors.NotFound, "there is no job"),
        ("EVALUATE USING m AS SELECT 1", errors.UnknownModel, "tutorial_audio_recognition"),
        ("EXPLAIN ANALYZE SELECT 1", errors.NotSupported, "EXPLAIN"),
    ],
)
def test_a_mistake_is_answered_by_what_to_do(
    session: Session, statement: str, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        session.sql(statement)


def test_a_bad_recording_costs_its_own_row(session: Session, recordings: str) -> None:
    statement = (
        f"PREDICT USING tutorial_audio_recognition OPTIONS (error_col='fault') AS SELECT audio_path FROM {recordings}"
    )
    result = session.sql(statement)
    rows = {row.audio_path.removeprefix("bad/"): row for row in result}
    for name in ("empty.wav", "truncated.flac", "text.wav", "short.wav", "silent.wav", "missing.wav", "../../out.wav"):
        assert rows[name].predicted is None, name
        assert rows[name].fault, name
    for name in ("stereo.wav", "telephone.wav", "flac.wav"):
        assert rows[name].predicted, name
        assert rows[name].fault is None, name
    (notice,) = (each.text for each in result.notices if "no transcript" in each.text)
    assert "7 of 10" in notice


def test_a_recording_reads_the_same_in_flac_and_in_stereo_at_44_khz(session: Session, recordings: str) -> None:
    statement = (
        "PREDICT USING tutorial_audio_recognition AS "
        f"SELECT audio_path FROM {recordings} WHERE audio_path IN ('bad/flac.wav', 'bad/stereo.wav')"
    )
    flac, stereo = (row.predicted for row in sorted(session.sql(statement)))
    assert flac == stereo


def test_on_error_fail_names_the_row(session: Session, recordings: str) -> None:
    statement = (
        "PREDICT USING tutorial_audio_recognition OPTIONS (on_error='fail', cache=False) "
        f"AS SELECT audio_path FROM {recordings} WHERE audio_path LIKE '%text.wav'"
    )
    with pytest.raises(errors.DataError, match=r"text\.wav"):
        session.sql(statement)


@pytest.fixture(scope="module")
def built_from_one(session: Session, recordings: str) -> Result:
    """A model `from_one`, trained on all bad recordings and a single good one."""
    return session.sql(
        "BUILD MODEL from_one USING Wav2Vec2EnTiny OPTIONS (epochs=1, overwrite=True) AS "
        f"SELECT * FROM {recordings} WHERE audio_path NOT IN ('bad/stereo.wav', 'bad/telephone.wav')"
    )


@pytest.mark.slow
def test_a_training_leaves_out_bad_recordings_and_says_how_many(built_from_one: Result) -> None:
    (row,) = built_from_one
    assert (row.train_rows, row.dropped_rows) == (1, 7)


@pytest.mark.slow
def test_a_training_on_one_row_ends_in_a_model(session: Session, built_from_one: Result) -> None:
    (row,) = built_from_one
    assert row.wer is None
    (row,) = session.sql("PREDICT USING from_one AS SELECT * FROM librispeech_test LIMIT 1")
    assert row.predicted


@pytest.mark.parametrize(
    ("text", "says"), [("''", "empty"), ("'room 42 on floor 4'", r"'4' \(12\)")], ids=["empty", "digits"]
)
def test_a_training_without_a_usable_row_is_refused_with_the_reason(session: Session, text: str, says: str) -> None:
    statement = (
        "BUILD MODEL unborn USING Wav2Vec2EnTiny OPTIONS (epochs=1) AS "
        f"SELECT audio_path, {text} AS text FROM librispeech_train LIMIT 6"
    )
    with pytest.raises(errors.ThanoSQLError, match=says):
        session.sql(statement)
    assert "unborn" not in {row.name for row in session.sql("LIST MODEL")}


def test_a_training_on_no_rows_is_refused(session: Session) -> None:
    statement = "BUILD MODEL from_none USING Wav2Vec2EnTiny AS SELECT * FROM librispeech_train LIMIT 0"
    with pytest.raises(errors.ThanoSQLError, match="no rows"):
        session.sql(statement)


def test_no_rows_are_transcribed_to_no_rows(session: Session) -> None:
    result = session.sql("PREDICT USING tutorial_audio_recognition AS SELECT * FROM librispeech_test LIMIT 0")
    assert list(result) == []
    assert "predicted" in result.to_arrow().column_names


def test_a_training_whose_model_could_not_be_stored_does_not_begin(session: Session, workspace: Path) -> None:
    in_the_way = workspace / ".thanosql" / "models" / "blocked"
    in_the_way.touch()
    told: list[str] = []
    statement = "BUILD MODEL blocked USING Wav2Vec2EnTiny AS SELECT * FROM librispeech_train"
    with pytest.raises(errors.JobFailed, match=r"model 'blocked' cannot be stored in .*blocked is not a folder"):
        session.sql(statement, on_event=lambda event: told.append(getattr(event.event, "phase", "")))
    assert not {"check data", "train"} & set(told)
    in_the_way.unlink()


def test_the_tables_and_models_are_still_there(session: Session) -> None:
    tables = {row[0] for row in session.sql("LIST TABLES")}
    assert {"librispeech_train", "librispeech_test"} <= tables
    assert "tutorial_audio_recognition" in {row.name for row in session.sql("LIST MODEL")}


@pytest.mark.slow
def test_an_hour_long_recording_is_transcribed_in_bounded_memory(
    session: Session, workspace: Path, files: Path
) -> None:
    speech, rate = soundfile.read(workspace / SPOKEN, dtype="float32")
    with soundfile.SoundFile(files / "hour.flac", "w", rate, 1) as file:
        for _ in range(round(3600 * rate / len(speech))):
            file.write(speech)
    statement = "PREDICT USING tutorial_audio_recognition AS SELECT 'bad/hour.flac' AS audio_path"
    words = next(iter(session.sql(statement))).predicted.split()
    (once,) = session.sql(f"PREDICT USING tutorial_audio_recognition AS SELECT '{SPOKEN}' AS audio_path")
    expected = len(once.predicted.split()) * round(3600 * rate / len(speech))
    assert abs(len(words) - expected) < 0.2 * expected
