"""Joins the frames of a recording's pieces, and reads them as a transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference_service.speech.audio import Span
from thanosql.ctc import Decoding, decode
from thanosql.errors import DataError
from thanosql.modelstore import ModelDescription
from thanosql.types import Transcript

IMPOSSIBLE = float(np.log(np.finfo(np.float32).tiny))
"""The log-probability of what cannot be: a number, so that whoever computes with it gets numbers."""


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What a model says of each frame of a piece."""

    tokens: NDArray[np.int64]
    """`[frames]`: the most probable token."""
    scores: NDArray[np.float32]
    """`[frames]`: its log-probability."""
    log_probs: NDArray[np.float32] | None = None
    """`[frames, vocabulary]`; only where they were asked for."""


ReadFrames = Callable[[FrameScores], Decoding]
"""Reads the frames of a whole recording, with their log-probabilities, otherwise than greedily."""


def count_frames(samples: int, model: ModelDescription) -> int:
    """Frames that the model makes of so many samples."""
    return max(0, (samples - model.receptive_samples) // model.frame_samples + 1)


def blank_frames(span: Span, model: ModelDescription, *, log_probs: bool = False) -> FrameScores:
    """What a piece without any sound says: nothing, for certain. (A model normalises its noise into words.)"""
    frames = count_frames(span.end - span.start, model)
    blanks = FrameScores(np.full(frames, model.blank, np.int64), np.zeros(frames, np.float32))
    if not log_probs:
        return blanks
    certain = np.full((frames, len(model.vocabulary)), IMPOSSIBLE, np.float32)
    certain[:, model.blank] = 0.0
    return replace(blanks, log_probs=certain)


def join_frames(pieces: Sequence[tuple[Span, FrameScores]], model: ModelDescription) -> FrameScores:
    """The frames of the whole recording: of each piece the part that counts, in order."""
    if len(pieces) == 1:
        return pieces[0][1]
    tokens, scores, log_probs = [], [], []
    for span, frames in pieces:
        first = (span.keep_from - span.start) // model.frame_samples
        # The last piece ends where its samples end; the others have a piece after them that goes on.
        end = None if span.is_last else (span.keep_until - span.start) // model.frame_samples
        tokens.append(frames.tokens[first:end])
        scores.append(frames.scores[first:end])
        if frames.log_probs is not None:
            log_probs.append(frames.log_probs[first:end])
    return FrameScores(np.concatenate(tokens), np.concatenate(scores), np.concatenate(log_probs) if log_probs else None)


def make_transcript(
    clip: int,
    pieces: Sequence[tuple[Span, FrameScores]],
    model: ModelDescription,
    *,
    words: bool,
    read: ReadFrames | None = None,
) -> Transcript:
    """The transcript of a recording's pieces; collapsed once, after joining, so that no cut doubles a letter.

    Args:
        clip: Its number.
        pieces: In order.
        model: Vocabulary and timing.
        words: Word times and confidences are wanted.
        read: How the frames are read; None: greedily.

    Raises:
        DataError: the model gives values that are not numbers.
    """
    seconds = pieces[-1][0].end / model.sample_rate
    return read_frames(clip, join_frames(pieces, model), seconds, model, words=words, read=read)


def read_frames(
    clip: int,
    frames: FrameScores,
    seconds: float,
    model: ModelDescription,
    *,
    words: bool,
    read: ReadFrames | None = None,
) -> Transcript:
    """The transcript of a recording of so many seconds, from all its frames. Arguments as of `make_transcript`.

    Raises:
        DataError: the model gives values that are not numbers.
    """
    if not np.isfinite(frames.scores).all():
        raise DataError(
            f"version {model.version} of model {model.name!r} gives values that are not numbers",
            hint="Its weights are damaged, or its training diverged: build it again.",
        )
    decoding = decode(frames.tokens, frames.scores, model) if read is None else read(frames)
    return Transcript(
        id=clip,
        text=decoding.text,
        confidence=decoding.confidence,
        words=decoding.words if words else (),
        audio_seconds=seconds,
    )
