"""Joins the frames of a recording's pieces, and reads them as a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_service.audio import Span
from thanosql.ctc import decode
from thanosql.errors import DataError
from thanosql.modelstore import ModelDescription
from thanosql.types import Transcript


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What a model says of each frame of a piece."""

    tokens: NDArray[np.int64]
    """`[frames]`: the most probable token."""
    scores: NDArray[np.float32]
    """`[frames]`: its log-probability."""
    log_probs: NDArray[np.float32] | None = None
    """`[frames, vocabulary]`; only where they were asked for."""


def count_frames(samples: int, model: ModelDescription) -> int:
    """Frames that the model makes of so many samples."""
    return max(0, (samples - model.receptive_samples) // model.frame_samples + 1)


def blank_frames(span: Span, model: ModelDescription) -> FrameScores:
    """What a piece without any sound says: nothing, for certain. (A model normalises its noise into words.)"""
    frames = count_frames(span.end - span.start, model)
    return FrameScores(np.full(frames, model.blank, np.int64), np.zeros(frames, np.float32))


def join_frames(pieces: Sequence[tuple[Span, FrameScores]], model: ModelDescription) -> FrameScores:
    """The frames of the whole recording: of each piece the part that counts, in order."""
    tokens, scores = [], []
    for span, frames in pieces:
        first = (span.keep_from - span.start) // model.frame_samples
        # The last piece ends where its samples end; the others have a piece after them that goes on.
        end = None if span.is_last else (span.keep_until - span.start) // model.frame_samples
        tokens.append(frames.tokens[first:end])
        scores.append(frames.scores[first:end])
    return FrameScores(np.concatenate(tokens), np.concatenate(scores))


def make_transcript(
    clip: int, pieces: Sequence[tuple[Span, FrameScores]], model: ModelDescription, *, words: bool
) -> Transcript:
    """The transcript of a recording; collapsed once, after joining, so that no cut doubles a letter.

    Raises:
        DataError: the model gives values that are not numbers.
    """
    frames = join_frames(pieces, model)
    if not np.isfinite(frames.scores).all():
        raise DataError(
            f"version {model.version} of model {model.name!r} gives values that are not numbers",
            hint="Its weights are damaged, or its training diverged: build it again.",
        )
    decoding = decode(frames.tokens, frames.scores, model)
    return Transcript(
        id=clip,
        text=decoding.text,
        confidence=decoding.confidence,
        words=decoding.words if words else (),
        audio_seconds=pieces[-1][0].end / model.sample_rate,
    )
