"""Rows that cannot be learned from are dropped for a counted reason, before anything is learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from thanosql.errors import DataError
from thanosql.types import Progress
from trainer_service.dataset import DataReport, Limits, Row, Utterance, check_rows
from trainer_service.text import Alphabet

ALPHABET = Alphabet(["<pad>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"], 1, (0,))
LIMITS = Limits(16_000, 5.0, lambda samples: max(0, (samples - 80) // 320))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A workspace of good and bad recordings."""
    noise = np.random.default_rng(0)

    def write(name: str, seconds: float, rate: int = 16_000, channels: int = 1, loudness: float = 0.1) -> None:
        samples = loudness * noise.standard_normal((int(seconds * rate), channels))
        soundfile.write(tmp_path / name, samples, rate)

    write("good.flac", 2.0)
    write("stereo.wav", 2.0, 44_100, 2)
    write("narrow.wav", 2.0, 8_000)
    write("short.wav", 0.01)
    write("long.wav", 6.0)
    write("silent.wav", 2.0, loudness=0.0)
    write("truncated.wav", 2.0)
    (tmp_path / "truncated.wav").write_bytes((tmp_path / "truncated.wav").read_bytes()[:9_000])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is not a recording")
    return tmp_path


def check(rows: list[Row], root: Path, told: list[Progress] | None = None) -> tuple[tuple[Utterance, ...], DataReport]:
    return check_rows(rows, root, ALPHABET, "Test", LIMITS, (told if told is not None else []).append)


def test_recordings_of_any_rate_and_channels_are_kept_at_the_models_rate(recordings: Path) -> None:
    utterances, report = check(
        [Row(name, "hello", "anna") for name in ("good.flac", "stereo.wav", "narrow.wav")], recordings
    )
    assert [each.samples for each in utterances] == pytest.approx([32_000] * 3, abs=20)
    assert [each.row for each in utterances] == [0, 1, 2]
    assert utterances[0].speaker == "anna"
    assert report.audio_seconds == pytest.approx(6.0, abs=0.01)
    assert (report.rows, report.kept, report.dropped) == (3, 3, {})


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("gone.wav", "hello", "missing"),
        (None, "hello", "missing"),
        ("../good.flac", "hello", "path refused"),
        ("empty.wav", "hello", "unreadable"),
        ("text.wav", "hello", "unreadable"),
        ("truncated.wav", "hello", "unreadable"),
        ("short.wav", "hello", "too short"),
        ("long.wav", "hello", "too long"),
        ("silent.wav", "hello", "silent"),
        ("good.flac", "", "empty transcript"),
        ("good.flac", None, "empty transcript"),
        ("good.flac", "...", "empty transcript"),
        ("good.flac", "hello " * 30, "more labels than frames"),
        ("good.flac", "hello 2", "characters outside the vocabulary"),
    ],
)
def test_a_bad_row_is_dropped_and_counted(recordings: Path, path: str | None, text: str | None, reason: str) -> None:
    good = Row("good.flac", "hello there " * 5)
    utterances, report = check([good, Row(path, text), good], recordings)
    assert [each.row for each in utterances] == [0, 2]
    assert report.dropped == {reason: 1}
    assert report.examples[reason][0].startswith("row 2: ")
    assert f"1 dropped (1 {reason})" in report.summary()


def test_the_report_shows_few_examples_of_each_reason(recordings: Path) -> None:
    _, report = check([Row("good.flac", "hello")] + [Row(f"gone{i}.wav", "hello") for i in range(9)], recordings)
    assert report.dropped == {"missing": 9}
    assert len(report.examples["missing"]) == 3


def test_nothing_is_trained_where_no_row_is_left(recordings: Path) -> None:
    with pytest.raises(DataError, match="none of the 3 rows can be learned from: 2 missing, 1 silent") as caught:
        check([Row("a.wav", "x"), Row("b.wav", "x"), Row("silent.wav", "x")], recordings)
    assert "row 1" in caught.value.hint


def test_no_rows_at_all_are_refused(recordings: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        check([], recordings)


def test_another_alphabet_is_refused_before_any_recording_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not in the vocabulary of Test"):
        check([Row("gone.wav", "안녕하세요")] * 3, tmp_path)


def test_progress_is_told_for_each_row(recordings: Path) -> None:
    told: list[Progress] = []
    check([Row("good.flac", "hello")] * 40, recordings, told)
    assert [(each.done, each.total) for each in told] == [(row, 40) for row in range(1, 41)]
