"""A transcript in the formats of OpenAI's API: json, text, verbose_json, srt and vtt."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thanosql.gateway.segments import Segment, cut_segments
from thanosql.types import Transcript


class Format(StrEnum):
    """What a caller may ask for as `response_format`."""

    JSON = "json"
    TEXT = "text"
    VERBOSE_JSON = "verbose_json"
    SRT = "srt"
    VTT = "vtt"

    @property
    def needs_words(self) -> bool:
        """Whether it tells times."""
        return self in (Format.VERBOSE_JSON, Format.SRT, Format.VTT)

    @property
    def media_type(self) -> str:
        """For the header Content-Type."""
        return MEDIA_TYPES[self]


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.TEXT: "text/plain; charset=utf-8",
    Format.VERBOSE_JSON: "application/json",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Granularity:
    """Which times a verbose_json tells."""

    words: bool = False
    segments: bool = True


def write_transcript(
    transcript: Transcript, form: Format, *, language: str = "", granularity: Granularity | None = None
) -> str:
    """A transcript as text in one of the formats.

    Args:
        transcript: With words where the format needs them.
        form: The format.
        language: ISO 639-1, for verbose_json; empty: not known.
        granularity: For verbose_json; None: segments.
    """
    if form is Format.TEXT:
        return transcript.text + "\n"
    if form is Format.JSON:
        return _dump({"text": transcript.text, "usage": usage(transcript)})
    segments = cut_segments(transcript.words)
    if form is Format.VERBOSE_JSON:
        return _dump(_verbose(transcript, segments, language, granularity or Granularity()))
    return "".join(_srt(segments) if form is Format.SRT else _vtt(segments))


def usage(transcript: Transcript) -> dict[str, Any]:
    """What was transcribed, as OpenAI counts it: begun seconds of audio."""
    return {"type": "duration", "seconds": math.ceil(transcript.audio_seconds)}


def clock(seconds: float, point: str) -> str:
    """A moment as subtitles write it.

    >>> clock(3661.5, ","), clock(0.0004, ".")
    ('01:01:01,500', '00:00:00.000')
    """
    milliseconds = round(1000 * max(0.0, seconds))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _verbose(transcript: Transcript, segments: list[Segment], language: str, granularity: Granularity) -> Any:
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": language,
        "duration": round(transcript.audio_seconds, 3),
        "text": transcript.text,
    }
    if granularity.segments:
        answer["segments"] = [_segment(place, each) for place, each in enumerate(segments)]
    if granularity.words:
        answer["words"] = [
            {
                "word": each.word,
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "confidence": round(each.confidence, 4),
            }
            for each in transcript.words
        ]
    answer["usage"] = usage(transcript)
    return answer


def _segment(place: int, segment: Segment) -> dict[str, Any]:
    """A segment; what OpenAI's have and a CTC model knows nothing of (no_speech_prob) is left out, not made up."""
    raw = segment.text.encode()
    return {
        "id": place,
        "seek": 0,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(segment.mean_log_confidence, 4),
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 4),
    }


def _srt(segments: list[Segment]) -> Iterator[str]:
    for number, each in enumerate(segments, 1):
        yield f"{number}\n{clock(each.start, ',')} --> {clock(each.end, ',')}\n{each.text}\n\n"


def _vtt(segments: list[Segment]) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for each in segments:
        # These three are all that WebVTT's cue text has to have escaped.
        text = each.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{clock(each.start, '.')} --> {clock(each.end, '.')}\n{text}\n\n"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
