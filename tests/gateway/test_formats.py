"""A transcript in each of the formats of OpenAI's API."""

from __future__ import annotations

import json

from thanosql.gateway.formats import Format, Granularity, write_transcript
from thanosql.types import Transcript, Word

SAID = Transcript(
    0,
    "안녕 <b> & so",
    confidence=0.9,
    words=(
        Word("안녕", 0.5, 1.0, 0.9),
        Word("<b>", 1.1, 1.5, 0.8),
        Word("&", 3661.5, 3661.75, 1.0),
        Word("so", 3661.8, 3662.0, 1.0),
    ),
    audio_seconds=3662.3,
)


def test_text_is_the_text_on_a_line():
    assert write_transcript(SAID, Format.TEXT) == "안녕 <b> & so\n"


def test_json_has_the_text_and_the_begun_seconds():
    answer = json.loads(write_transcript(SAID, Format.JSON))
    assert answer == {"text": "안녕 <b> & so", "usage": {"type": "duration", "seconds": 3663}}


def test_srt_numbers_its_segments_from_one_and_has_hours():
    assert write_transcript(SAID, Format.SRT) == (
        "1\n00:00:00,500 --> 00:00:01,500\n안녕 <b>\n\n2\n01:01:01,500 --> 01:01:02,000\n& so\n\n"
    )


def test_vtt_escapes_what_would_be_marks():
    assert write_transcript(SAID, Format.VTT) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\n안녕 &lt;b&gt;\n\n01:01:01.500 --> 01:01:02.000\n&amp; so\n\n"
    )


def test_verbose_json_tells_segments_unless_words_alone_are_wanted():
    usual = json.loads(write_transcript(SAID, Format.VERBOSE_JSON, language="ko"))
    assert [each["text"] for each in usual["segments"]] == ["안녕 <b>", "& so"]
    assert (usual["language"], usual["duration"], "words" in usual) == ("ko", 3662.3, False)
    words = json.loads(write_transcript(SAID, Format.VERBOSE_JSON, granularity=Granularity(words=True, segments=False)))
    assert "segments" not in words
    assert words["words"][0] == {"word": "안녕", "start": 0.5, "end": 1.0, "confidence": 0.9}


def test_of_silence_the_subtitles_are_empty_and_still_subtitles():
    nothing = Transcript(0, "", audio_seconds=1.0)
    assert write_transcript(nothing, Format.SRT) == ""
    assert write_transcript(nothing, Format.VTT) == "WEBVTT\n\n"
