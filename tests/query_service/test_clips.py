"""PRINT AUDIO: what of a recording reaches the browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from query_service.showing.clips import LARGEST_AS_IS, MOST_CLIPS, make_clip
from thanosql.types import Clip, ClipCaption, Notice


def tone(seconds, rate=16_000, channels=1):
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "options", "media_type"),
    [
        ("a.wav", {"subtype": "PCM_16"}, "audio/wav"),
        ("b.wav", {"subtype": "PCM_24", "format": "WAVEX"}, "audio/wav"),
        ("c.flac", {}, "audio/flac"),
        ("d.ogg", {}, "audio/ogg"),
        ("e.mp3", {}, "audio/mpeg"),
        ("flac in disguise.wav", {"format": "FLAC"}, "audio/flac"),
    ],
)
def test_a_small_file_that_browsers_play_is_sent_as_it_is(tmp_path, name, options, media_type):
    soundfile.write(tmp_path / name, tone(1), 16_000, **options)
    clip, cut = make_clip(tmp_path, name)
    assert (clip.path, clip.media_type, clip.error, cut) == (name, media_type, "", False)
    assert clip.audio == (tmp_path / name).read_bytes()
    assert clip.seconds == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.wav", {"subtype": "FLOAT"}), ("b.wav", {"subtype": "ULAW"}), ("c.aiff", {}), ("d.au", {})],
)
def test_another_format_is_sent_as_flac(tmp_path, name, options):
    soundfile.write(tmp_path / name, tone(1, 44_100, 2), 44_100, **options)
    clip, _ = make_clip(tmp_path, name)
    samples, rate = soundfile.read(io.BytesIO(clip.audio))
    assert (clip.media_type, rate, samples.shape) == ("audio/flac", 44_100, (44_100,))


def test_a_long_recording_is_cut(tmp_path):
    soundfile.write(tmp_path / "long.wav", tone(40), 16_000, subtype="PCM_16")
    assert (tmp_path / "long.wav").stat().st_size > LARGEST_AS_IS
    clip, cut = make_clip(tmp_path, "long.wav")
    assert (clip.media_type, clip.seconds, cut) == ("audio/flac", 30.0, True)
    assert len(clip.audio) < LARGEST_AS_IS


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
    clip, cut = make_clip(tmp_path, path, [ClipCaption("a", "b")])
    assert (clip.error, clip.audio, clip.caption, cut) == (error, b"", (ClipCaption("a", "b"),), False)


def test_the_other_columns_of_a_row_are_its_caption(services):
    path, _ = services.recordings("caption.wav", "other.wav")
    services.table("captioned", f"id,recording,text\n7,{path},hello\n8,missing.wav,\n")
    events = services.run("PRINT AUDIO OPTIONS (audio_col='recording') AS SELECT * FROM captioned ORDER BY id")
    clips = [event for event in events if isinstance(event, Clip)]
    assert clips[0].caption == (ClipCaption("id", "7"), ClipCaption("text", "hello"))
    assert clips[0].media_type == "audio/wav"
    assert clips[1].caption == (ClipCaption("id", "8"), ClipCaption("text", "NULL"))
    assert clips[1].error
    assert events[-1].rows == 2


def test_no_more_than_a_hundred_recordings_are_played(services):
    (path,) = services.recordings("again.wav")
    events = services.run(f"PRINT AUDIO AS SELECT '{path}' AS path FROM generate_series(1, 500)")
    assert sum(isinstance(event, Clip) for event in events) == MOST_CLIPS
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "Only the first 100 recordings are played. Choose others with WHERE and LIMIT."
    ]
