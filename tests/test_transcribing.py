"""Recordings of the caller's through the whole system: one and many, files and samples, good and bad."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import soundfile

from query_service import servicer
from thanosql import Session
from thanosql.errors import AudioError, InvalidOption, NotFound, TimedOut, UnknownModel
from thanosql.types import ClipFailure, Transcript
from thanosql.v1 import inference_pb2

MODEL = "tutorial_audio_recognition"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def recordings(workspace: Path) -> list[Path]:
    return sorted((workspace / "tutorial_data" / "librispeech_data").glob("*.flac"))[:5]


def predicted(session: Session, paths: list[Path], workspace: Path) -> list[str]:
    """What PREDICT says of the same recordings."""
    names = [str(path.relative_to(workspace)) for path in paths]
    text = f"PREDICT USING {MODEL} OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_train"
    rows = session.sql(f"SELECT audio_path, predicted FROM ({text} WHERE audio_path IN :names)", {"names": names})
    said = dict(tuple(row) for row in rows)
    return [said[name] for name in names]


def test_a_file_its_bytes_and_its_samples_have_the_same_transcript(session: Session, recordings: list[Path]) -> None:
    path = recordings[0]
    samples, rate = soundfile.read(path, dtype="float32")
    heard = [
        session.transcribe(path, MODEL),
        session.transcribe(path.read_bytes(), MODEL),
        session.transcribe(samples, MODEL, sample_rate=rate),
    ]
    assert heard[0].text
    assert {each.text for each in heard} == {heard[0].text}
    assert heard[0].audio_seconds == pytest.approx(len(samples) / rate, abs=0.01)


def test_words_come_with_their_times_when_they_are_asked_for(session: Session, recordings: list[Path]) -> None:
    transcript = session.transcribe(recordings[0], MODEL, words=True)
    assert [word.word for word in transcript.words] == transcript.text.split()
    assert all(word.start <= word.end <= transcript.audio_seconds for word in transcript.words)


def test_many_come_in_order_and_a_bad_one_costs_its_own_place(
    session: Session, recordings: list[Path], tmp_path: Path
) -> None:
    sent: list[Any] = [recordings[0], b"no audio", *recordings[1:3], tmp_path / "nothing.wav", recordings[3]]
    heard = list(session.transcribe(sent, MODEL))
    assert [each.id for each in heard] == list(range(6))
    assert [type(each) for each in heard] == [Transcript, ClipFailure, Transcript, Transcript, ClipFailure, Transcript]
    assert [each.reason for each in heard if isinstance(each, ClipFailure)] == ["unreadable", "missing"]
    assert [each.text for each in heard if isinstance(each, Transcript)] == [
        session.transcribe(path, MODEL).text for path in recordings[:4]
    ]


def test_many_are_read_no_further_ahead_than_there_is_room(
    session: Session, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thanosql.transcribing.MOST_AHEAD", 3)
    read: list[int] = []
    audio = recordings[0].read_bytes()

    def source() -> Iterator[bytes]:
        for number in range(12):
            read.append(number)
            yield audio

    heard = session.transcribe(source(), MODEL)
    assert next(heard).id == 0
    assert len(read) <= 5
    assert [each.id for each in heard] == list(range(1, 12))


def test_a_source_that_fails_fails_the_iteration_with_its_own_error(session: Session, recordings: list[Path]) -> None:
    def source() -> Iterator[Path]:
        yield recordings[0]
        raise RuntimeError("the disk is gone")

    heard = session.transcribe(source(), MODEL)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        list(heard)


def test_what_cannot_be_transcribed_is_an_error_of_its_own(session: Session, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="not audio"):
        session.transcribe(b"no audio at all", MODEL)
    with pytest.raises(NotFound, match="cannot be read"):
        session.transcribe(tmp_path / "nothing.wav", MODEL)
    with pytest.raises(AudioError, match="without their rate"):
        session.transcribe([0.0, 0.1], MODEL)
    with pytest.raises(AudioError, match="more than"):
        session.transcribe(bytes(9 << 20), MODEL)


def test_a_model_that_is_not_there_is_told(session: Session, recordings: list[Path]) -> None:
    with pytest.raises(UnknownModel, match="nobody"):
        session.transcribe(recordings[0], "nobody")
    with pytest.raises(UnknownModel):
        list(session.transcribe(recordings, "nobody"))


def test_hotwords_that_a_model_cannot_spell_are_refused(session: Session, recordings: list[Path]) -> None:
    with pytest.raises(InvalidOption):
        session.transcribe(recordings[0], MODEL, hotwords=["서울"])


def test_a_recording_has_a_time_limit(session: Session, recordings: list[Path]) -> None:
    with pytest.raises(TimedOut):
        session.transcribe(recordings[0], MODEL, timeout=0.0001)


def test_a_call_that_says_nothing_is_ended(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicer, "START_WITHIN", 0.2)
    client, is_over = session._live_connection().client, threading.Event()

    def nothing() -> Iterator[inference_pb2.TranscribeRequest]:
        is_over.wait(60)
        yield from ()

    call = client._stub.Transcribe(nothing())
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    is_over.set()
    assert caught.value.code() is grpc.StatusCode.CANCELLED


def test_many_threads_use_one_session(session: Session, recordings: list[Path]) -> None:
    audio = recordings[0].read_bytes()
    said: list[Any] = []

    def work(number: int) -> None:
        (row,) = session.sql("SELECT :n AS n", {"n": number}, progress=False)
        said.append((row.n, session.transcribe(audio, MODEL).text))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(number for number, _ in said) == list(range(6))
    assert len({text for _, text in said}) == 1


def test_a_job_is_found_again_by_another_process(session: Session, workspace: Path) -> None:
    job = session.submit(f"PREDICT USING {MODEL} AS SELECT * FROM librispeech_train LIMIT :most", {"most": 3})
    script = (
        "import sys, thanosql\n"
        "with thanosql.connect(workspace=sys.argv[1]) as session:\n"
        "    job = session.job(sys.argv[2])\n"
        "    print(job.id, len(job.wait(300, progress=False)), job.done, job.status().state)\n"
    )
    command = [sys.executable, "-c", script, str(workspace), job.id[:8]]
    told = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True).stdout
    assert told.split() == [job.id, "3", "True", "succeeded"]
    assert job.done


def test_a_result_goes_into_pandas_and_polars_with_its_types(session: Session) -> None:
    result = session.sql(
        "SELECT :n AS n, CAST(NULL AS BIGINT) AS m, DATE '2026-01-02' AS day UNION SELECT 2, 3, NULL", {"n": 2**60}
    )
    frame = result.to_pandas().sort_values("n")
    assert str(frame["m"].dtype) == "Int64"
    assert str(frame["day"].dtype).startswith("datetime64")
    assert int(frame["n"].iloc[1]) == 2**60
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert result.to_polars().schema["m"] == polars.Int64


def test_a_stream_holds_one_batch_at_a_time(session: Session) -> None:
    import pyarrow as pa

    rows, most = 0, 0
    before = pa.total_allocated_bytes()
    for batch in session.stream(
        "SELECT i, repeat('x', 1000) AS text FROM generate_series(1, :n) AS s(i)", {"n": 60_000}
    ):
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
        del batch
    assert rows == 60_000
    assert most < 30 << 20, "of a result of 60 MB"
