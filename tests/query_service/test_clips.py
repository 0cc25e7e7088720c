"""PRINT AUDIO: what of a recording reaches the browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from query_service.showing import clips
from query_service.showing.clips import MOST_CLIPS, MOST_SECONDS, RATE, SMALL_RATE, MadeClip, make_clip
from thanosql.errors import UnknownColumn
from thanosql.types import Clip, ClipCaption, Notice


def tone(seconds, rate=16_000, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "options", "media_type"),
    [
        ("d.ogg", {"subtype": "VORBIS", "compression_level": 0.9}, "audio/ogg"),
        ("e.mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0.85}, "audio/mpeg"),
        ("mp3 in disguise.wav", {"format": "MP3", "compression_level": 0.9}, "audio/mpeg"),
    ],
)
def test_a_small_file_that_browsers_play_is_sent_as_it_is(tmp_path, name, options, media_type):
    soundfile.write(tmp_path / name, tone(5), 16_000, **options)
    made = make_clip(tmp_path, name)
    assert (made.clip.path, made.clip.media_type, made.clip.error) == (name, media_type, "")
    assert (made.was_cut, made.was_shrunk) == (False, False)
    assert made.clip.audio == (tmp_path / name).read_bytes()
    assert made.clip.seconds == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "FLOAT"}),
        ("b.wav", {"subtype": "PCM_16"}),
        ("c.flac", {}),
        ("d.aiff", {}),
        ("e.mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0}),
    ],
)
def test_another_file_is_sent_as_a_small_mp3_of_the_same_sound(tmp_path, name, options):
    soundfile.write(tmp_path / name, tone(5, 44_100, 2), 44_100, **options)
    made = make_clip(tmp_path, name)
    samples, rate = soundfile.read(io.BytesIO(made.clip.audio))
    assert (made.clip.media_type, rate, samples.ndim, made.was_shrunk) == ("audio/mpeg", RATE, 1, True)
    assert len(made.clip.audio) < 5 * SMALL_RATE
    assert len(samples) / rate == pytest.approx(5, abs=0.2)
    middle = samples[2 * rate : 3 * rate]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=2)


def test_a_long_recording_is_cut(tmp_path):
    soundfile.write(tmp_path / "long.wav", tone(40), 16_000, subtype="PCM_16")
    made = make_clip(tmp_path, "long.wav")
    assert (made.clip.media_type, made.clip.seconds, made.was_cut) == ("audio/mpeg", 30.0, True)
    assert len(made.clip.audio) < MOST_SECONDS * SMALL_RATE


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing.wav", "file 'missing.wav' does not exist"),
        ("../x.wav", "'../x.wav' leads out of the workspace"),
        (None, "the row names no recording"),
        ("", "the row names no recording"),
        ("text.wav", "'text.wav' holds text, not audio"),
        (".", "file '.' is a folder, not a file"),
    ],
)
def test_what_cannot_be_played_says_why(tmp_path, path, error):
    (tmp_path / "text.wav").write_text("no recording")
    made = make_clip(tmp_path, path, [ClipCaption("a", "b")])
    assert made == MadeClip(Clip(path or "", caption=(ClipCaption("a", "b"),), error=error))


def test_the_other_columns_of_a_row_are_its_caption(services):
    path, _ = services.recordings("caption.wav", "other.wav")
    services.table("captioned", f"id,recording,text\n7,{path},hello\n8,missing.wav,\n")
    events = services.run("PRINT AUDIO OPTIONS (audio_col='recording') AS SELECT * FROM captioned ORDER BY id")
    played = [event for event in events if isinstance(event, Clip)]
    assert played[0].caption == (ClipCaption("id", "7"), ClipCaption("text", "hello"))
    assert played[0].media_type == "audio/mpeg"
    assert played[0].predicted_column == "", "nothing was heard that could be compared"
    assert played[1].caption == (ClipCaption("id", "8"), ClipCaption("text", "NULL"))
    assert played[1].error
    assert events[-1].rows == 2


def test_no_more_than_a_hundred_recordings_are_played(services):
    (path,) = services.recordings("again.wav")
    events = services.run(f"PRINT AUDIO AS SELECT '{path}' AS path FROM generate_series(1, 500)")
    assert sum(isinstance(event, Clip) for event in events) == MOST_CLIPS
    first = next(event.text for event in events if isinstance(event, Notice))
    assert first == "Only the first 100 recordings are played. Choose others with WHERE and LIMIT."


def test_clips_of_a_statement_are_no_larger_together_than_a_notebook_bears(services, monkeypatch):
    (path,) = services.recordings("bounded.wav")
    monkeypatch.setattr(clips, "MOST_BYTES", 20_000)
    events = services.run(f"PRINT AUDIO AS SELECT '{path}' AS path FROM generate_series(1, 50)")
    sizes = [len(event.audio) for event in events if isinstance(event, Clip)]
    assert 0 < sum(sizes) <= 20_000
    assert len(sizes) < 50
    notice = next(event.text for event in events if isinstance(event, Notice))
    assert notice.startswith(f"Only the first {len(sizes)} recordings are played")


def test_what_was_said_and_what_was_heard_are_named_for_comparison(services):
    path, other = services.recordings("said.wav", "heard.wav")
    services.table("heard", f"recording,text,predicted,said,guess\n{path},A B,A C,D,E\n{other},A B,,D,E\n")
    print_audio = "PRINT AUDIO OPTIONS (audio_col='recording'{}) AS SELECT * FROM heard ORDER BY predicted"

    def columns(options: str) -> set[tuple[str, str]]:
        events = services.run(print_audio.format(options))
        return {(each.reference_column, each.predicted_column) for each in events if isinstance(each, Clip)}

    assert columns("") == {("text", "predicted")}
    assert columns(", text_col='said', result_col='guess'") == {("said", "guess")}
    events = services.run(print_audio.format(""))
    missing = [clip for clip in events if isinstance(clip, Clip)][-1]
    assert ClipCaption("predicted", "") in missing.caption, "no transcript is no word"


def test_a_column_for_comparison_that_is_not_there_is_a_mistake(services):
    with pytest.raises(UnknownColumn, match="no column sayd"):
        services.run("PRINT AUDIO OPTIONS (audio_col='a', text_col='sayd') AS SELECT 'x' AS a, 'y' AS said")
