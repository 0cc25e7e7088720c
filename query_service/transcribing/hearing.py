"""How a step has recordings heard: what a transcript depends on beside the recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from query_service.planning.steps import Evaluate, Transcribe
from query_service.transcribing.recordings import Failure, Result
from thanosql.types import TranscribeStart


@dataclass(frozen=True, slots=True)
class Hearing:
    """Transcripts of one recording that were heard alike are alike."""

    model: str
    version: int
    decoding: str = ""
    """Tells transcripts that were decoded otherwise than the model does by itself; empty where they were not."""
    words: bool = False
    """With the times of the words."""

    def trim(self, result: Result) -> Result:
        """The result without times that are not wanted: they take ten times the room of the text."""
        if self.words or isinstance(result, Failure) or result.words in ("", "[]"):
            return result
        return replace(result, words="[]")


def name_decoding(hotwords: Sequence[str], weight: float | None) -> str:
    """What tells transcripts that were decoded with hotwords from others; empty where there are none."""
    if not hotwords:
        return ""
    said = json.dumps([sorted(set(hotwords)), float(weight or 0)])
    return f"hotwords {hashlib.sha256(said.encode()).hexdigest()[:32]}"


def hearing_of(step: Transcribe | Evaluate) -> Hearing:
    """How a step has its recordings heard."""
    decoding = name_decoding([word.text for word in step.hotwords], step.hotword_weight)
    return Hearing(step.model.text, step.version, decoding, isinstance(step, Transcribe) and step.words is not None)


def open_start(step: Transcribe | Evaluate, hearing: Hearing) -> TranscribeStart:
    """What opens a stream of clips for a step."""
    return TranscribeStart(
        hearing.model,
        hearing.version,
        batch_size=step.batch_size,
        words=hearing.words,
        hotwords=tuple(word.text for word in step.hotwords),
        hotword_weight=step.hotword_weight or 0.0,
    )
