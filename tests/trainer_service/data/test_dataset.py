"""Rows that cannot be learned from are dropped for a counted reason, before anything is learned."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from thanosql.alphabet import Alphabet
from thanosql.errors import DataError
from thanosql.types import Progress
from trainer_service.data.data_report import DataReport
from trainer_service.data.dataset import Limits, Row, Utterance, check_rows

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
    broken = np.full(32_000, 0.1, np.float32)
    broken[20_000] = np.nan
    soundfile.write(tmp_path / "not-finite.wav", broken, 16_000, subtype="FLOAT")
    (tmp_path / "link.flac").symlink_to(tmp_path / "good.flac")
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
        ("not-finite.wav", "hello", "not finite"),
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
    assert f"1 dropped (1 {reason}); the first: row 2: " in report.summary()


PATHS: tuple[str | None, ...] = (
    *("good.flac", "stereo.wav", "link.flac", "short.wav", "long.wav", "silent.wav", "not-finite.wav", "truncated.wav"),
    *("empty.wav", "text.wav", "gone.wav", "", "../out.wav", "\0", "a" * 300, ".", None),
)
ROWS = some.builds(
    Row,
    some.sampled_from(PATHS),
    some.one_of(
        some.none(), some.sampled_from(["hello", "Hello!", "x " * 80]), some.text("ab '.é4안\ufffd", max_size=9)
    ),
    some.sampled_from([None, "anna", "ben"]),
)


@given(rows=some.lists(ROWS, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_kept_or_dropped_for_one_reason(recordings: Path, rows: list[Row]) -> None:
    # Enough known characters that the unknown ones stay under the limit, and something to keep.
    rows = [*rows, Row("gone.wav", "a" * 10_000), Row("good.flac", "hello")]
    utterances, report = check(rows, recordings)
    assert report.kept == len(utterances) == len({each.row for each in utterances})
    assert report.kept + sum(report.dropped.values()) == report.rows == len(rows)
    assert {reason: min(count, 3) for reason, count in report.dropped.items()} == {
        reason: len(examples) for reason, examples in report.examples.items()
    }
    histograms = (report.recording_seconds, report.transcript_characters, report.characters_per_second)
    assert all(each and sum(each.counts) == report.kept for each in histograms)
    assert json.loads(json.dumps(asdict(report), allow_nan=False))["rows"] == len(rows)


def test_the_report_tells_lengths_words_and_speakers(recordings: Path) -> None:
    _, report = check(
        [Row("good.flac", "hello there", "anna"), Row("stereo.wav", "hello", "ben"), Row("gone.wav", "x", "eve")],
        recordings,
    )
    assert (report.words, report.distinct_words, report.speakers) == (3, 2, 2)
    assert report.recording_seconds is not None
    assert report.transcript_characters is not None
    assert report.characters_per_second is not None
    assert dict(report.recording_seconds.bins()) == {"2 to 3": 2}
    assert dict(report.transcript_characters.bins()) == {"0 to 10": 1, "10 to 20": 1}
    assert dict(report.characters_per_second.bins()) == {"2 to 4": 1, "4 to 6": 1}
    assert "3 words, 2 of them distinct, 2 speakers" in report.summary()
    assert "seconds of audio    █ 2 to 2, median 2" in report.summary()


def test_one_recording_with_two_transcripts_is_told_and_both_rows_are_kept(recordings: Path) -> None:
    rows = [Row("good.flac", "hello"), Row("stereo.wav", "x"), Row("link.flac", "goodbye"), Row("./good.flac", "hello")]
    utterances, report = check(rows, recordings)
    assert [each.row for each in utterances] == [0, 1, 2, 3]
    assert (report.contradicting, report.repeated) == (3, 1)
    assert report.contradicting_examples[1] == "row 3 ('link.flac'): 'GOODBYE'"
    assert any("3 rows give a recording that another row gives" in notice.text for notice in report.notices())
    # Whoever holds rows out tells by this that they belong together.
    assert len({each.file for each in utterances}) == 2


def test_one_recording_twice_with_the_same_words_is_counted_and_contradicts_nothing(recordings: Path) -> None:
    _, report = check([Row("good.flac", "Hello"), Row("good.flac", "hello!"), Row("stereo.wav", "hello")], recordings)
    assert (report.contradicting, report.repeated) == (0, 1)


def test_a_transcript_that_hardly_belongs_to_its_recording_is_shown(recordings: Path) -> None:
    usual = [Row(name, "hello there my friend") for name in ("good.flac", "stereo.wav", "narrow.wav")]
    _, report = check([*usual, Row("link.flac", "ox")], recordings)
    assert (report.kept, report.unlikely) == (4, 1)
    assert report.unlikely_examples == ("row 4 ('link.flac'): 1.0 characters a second, 'OX'",)


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_the_one_unreadable_recording_of_very_many_is_found(tmp_path: Path, count: int) -> None:
    soundfile.write(tmp_path / "0.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 2_400), 16_000)
    for number in range(1, count):
        os.link(tmp_path / "0.wav", tmp_path / f"{number}.wav")
    (tmp_path / "1234.wav").unlink()
    (tmp_path / "1234.wav").write_bytes(b"RIFF")
    told: list[Progress] = []
    utterances, report = check([Row(f"{number}.wav", "a") for number in range(count)], tmp_path, told)
    assert len(utterances) == count - 1
    assert report.dropped == {"unreadable": 1}
    assert report.examples["unreadable"][0].startswith("row 1235: '1234.wav'")
    assert told[-1] == Progress("check data", count, count, "rows")


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
