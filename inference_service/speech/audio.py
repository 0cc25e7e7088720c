"""Cuts recordings into pieces that a model can take, at the quietest moments, with context around each cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

PIECE_SECONDS = 30.0
"""A recording up to this length is one piece, and no piece is longer."""
SPEECH_CONTEXT = PIECE_SECONDS / 6
"""Seconds of context on both sides of a cut through speech."""
PAUSE_CONTEXT = 1.0
"""Seconds of context on both sides of a cut in a pause, where little depends on what lies beyond."""
CUT_FROM, CUT_TO = 9.0, 14.0
"""A cut is made so many seconds after the last one: pieces of 16 s, context included, cost a sixth less per second of
audio than pieces of 30 s (measured, wav2vec2-base on two cores: attention grows with the square of the length)."""
EXPECTED_STEP, EXPECTED_CONTEXT = 11.5, 2.25
"""Seconds from one cut to the next and of context, on an average: pieces of 16 s."""
PAUSE_SECONDS = 0.2
PAUSE_LEVEL = 0.1
"""Loudness, as a share of that of the stretch, under which `PAUSE_SECONDS` are a pause (−20 dB)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a piece lies in its recording, and which part of it counts.

    In samples from the start of the recording. All but the end of the recording are multiples of a frame's step, so
    that frame `k` of the piece is frame `k + start // frame_samples` of the recording.
    """

    start: int
    end: int
    keep_from: int
    keep_until: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording."""

    samples: Samples
    span: Span


def cut_pieces(blocks: Iterable[Samples], *, sample_rate: int, frame_samples: int) -> Iterator[Piece]:
    """The pieces of a recording that comes in `blocks`, never holding much more than one piece and one block.

    Args:
        blocks: The samples of the recording, in order.
        sample_rate: Samples per second.
        frame_samples: Samples from one frame of the model to the next; cuts fall on its multiples.
    """
    longest = int(PIECE_SECONDS * sample_rate) // frame_samples * frame_samples
    held: Samples = np.zeros(0, np.float32)
    start = keep_from = 0
    for block in blocks:
        held = np.concatenate((held, block)) if len(held) else block
        while len(held) > longest:
            cut, context = _find_cut(held[keep_from - start : longest], sample_rate, frame_samples)
            keep_until = keep_from + cut
            end = keep_until + context
            yield Piece(held[: end - start].copy(), Span(start, end, keep_from, keep_until, is_last=False))
            held = held[keep_until - context - start :]
            start, keep_from = keep_until - context, keep_until
    end = start + len(held)
    yield Piece(held, Span(start, end, keep_from, end, is_last=True))


def expect_pieces(seconds: float) -> list[float]:
    """Lengths of the pieces that a recording of so many seconds is about cut into, without hearing it.

    >>> expect_pieces(30.0)
    [30.0]
    >>> expect_pieces(60.0)
    [13.75, 16.0, 16.0, 27.75]
    """
    lengths, start, keep_from = [], 0.0, 0.0
    while seconds - start > PIECE_SECONDS:
        keep_from += EXPECTED_STEP
        lengths.append(keep_from + EXPECTED_CONTEXT - start)
        start = keep_from - EXPECTED_CONTEXT
    return [*lengths, seconds - start]


def _find_cut(samples: Samples, sample_rate: int, step: int) -> tuple[int, int]:
    """Where to cut `samples`, and how much context to give on both sides: in samples, multiples of `step`."""
    steps = len(samples) // step
    power = np.square(samples[: steps * step].reshape(steps, step)).mean(axis=1)
    width = max(1, int(PAUSE_SECONDS * sample_rate) // step)
    smooth = np.convolve(power, np.full(width, 1 / width), mode="same")
    first, end = (int(seconds * sample_rate) // step for seconds in (CUT_FROM, CUT_TO))
    quietest = first + int(smooth[first:end].argmin())
    is_pause = smooth[quietest] <= PAUSE_LEVEL**2 * power.mean()
    context = PAUSE_CONTEXT if is_pause else SPEECH_CONTEXT
    return quietest * step, int(context * sample_rate) // step * step
