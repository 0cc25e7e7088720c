"""Turns the frames of a CTC model into text, and into words with times and confidences: greedy decoding.

The collapse is the definition of Graves et al. (2006): runs of one token become one, then blanks go. It is done
on the tokens before any of them is left out, so double letters that a blank (or a special token) parts stay double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thanosql.modelstore import ModelDescription
from thanosql.types import Word

Tokens = NDArray[np.integer]
Scores = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Decoding:
    """What the frames of a clip say."""

    text: str
    """Words with single spaces between; empty where nothing was said."""
    confidence: float
    """0 to 1: mean over the words; 0 where there are none."""
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A label, and the frames that say it."""

    token: int
    start: int
    end: int
    """The first frame behind it."""


def decode_text(tokens: Tokens, model: ModelDescription) -> str:
    """The text of `tokens [frames]`, the most probable token of each real frame."""
    words = _find_words(_find_runs(tokens), model)
    return " ".join("".join(model.vocabulary[run.token] for run in word) for word in words)


def decode(tokens: Tokens, scores: Scores, model: ModelDescription) -> Decoding:
    """Text, and words with times and confidences.

    Args:
        tokens: `[frames]`, the most probable token of each real frame.
        scores: `[frames]`, the log-probability of that token.
        model: Vocabulary and timing.

    The confidence of a frame is `(N·pmax − 1) / (N − 1)` for `N` tokens: 0 for a guess, 1 for certainty. A word has the
    least of its letters' frames (the blanks between them not counted).
    """
    return decode_runs(_find_runs(tokens), scores, model)


def decode_runs(runs: Sequence[Run], scores: Scores, model: ModelDescription) -> Decoding:
    """Likewise, from the runs themselves.

    Args:
        runs: In order; what lies between them is silent.
        scores: `[frames]`, the log-probability of the token that a run says in each of its frames.
        model: Vocabulary and timing.
    """
    found = _find_words(runs, model)
    if not found:
        return Decoding("", 0.0, ())
    size = len(model.vocabulary)
    certainty = np.clip((size * np.exp(np.asarray(scores, np.float64)) - 1) / max(1, size - 1), 0.0, 1.0)
    words = tuple(
        Word(
            word="".join(model.vocabulary[run.token] for run in runs),
            start=runs[0].start * model.frame_samples / model.sample_rate,
            end=runs[-1].end * model.frame_samples / model.sample_rate,
            confidence=float(min(certainty[run.start : run.end].min() for run in runs)),
        )
        for runs in found
    )
    confidence = sum(word.confidence for word in words) / len(words)
    return Decoding(" ".join(word.word for word in words), confidence, words)


def _find_words(runs: Sequence[Run], model: ModelDescription) -> list[list[Run]]:
    """The runs of each word: parted at the delimiter, without blanks and special tokens."""
    silent = {model.blank, *model.special}
    words: list[list[Run]] = [[]]
    for run in runs:
        if run.token == model.word_delimiter:
            words.append([])
        elif run.token not in silent:
            words[-1].append(run)
    return [word for word in words if word]


def _find_runs(tokens: Tokens) -> list[Run]:
    """Stretches of one and the same token."""
    if not len(tokens):
        return []
    starts = [0, *(np.flatnonzero(tokens[1:] != tokens[:-1]) + 1).tolist()]
    ends = [*starts[1:], len(tokens)]
    return [Run(token, start, end) for token, start, end in zip(tokens[starts].tolist(), starts, ends, strict=True)]
