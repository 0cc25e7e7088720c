"""Cuts a transcript into segments to be read: at pauses, and no longer than a subtitle may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from thanosql.types import Word

PAUSE_SECONDS = 0.8
"""So long a pause ends a segment."""
LONGEST_SECONDS = 7.0
MOST_CHARACTERS = 84
"""Two lines of 42 characters in seven seconds are what a viewer can read (Netflix' guide to timed text, as others')."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that are said together."""

    words: tuple[Word, ...]
    """At least one."""

    @property
    def start(self) -> float:
        """Seconds from the start of the recording."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return self.words[-1].end

    @property
    def text(self) -> str:
        """The words, with spaces between."""
        return " ".join(word.word for word in self.words)

    @property
    def mean_log_confidence(self) -> float:
        """Mean of the natural logarithms of the words' confidences."""
        return sum(math.log(max(word.confidence, 1e-6)) for word in self.words) / len(self.words)


def cut_segments(words: Sequence[Word]) -> list[Segment]:
    """The segments of a transcript, in order; none of no words.

    A stretch between pauses that is too long, or has too many characters, is cut at its longest gap between two words,
    of those in its middle half; its parts likewise. A single word is never cut.
    """
    return [segment for stretch in _between_pauses(words) for segment in _shorten(stretch)]


def _between_pauses(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    begin = 0
    for place in range(1, len(words) + 1):
        if place == len(words) or words[place].start - words[place - 1].end >= PAUSE_SECONDS:
            yield words[begin:place]
            begin = place


def _shorten(words: Sequence[Word]) -> Iterator[Segment]:
    segment = Segment(tuple(words))
    fits = segment.end - segment.start <= LONGEST_SECONDS and len(segment.text) <= MOST_CHARACTERS
    if fits or len(words) == 1:
        yield segment
        return
    first, last = max(1, len(words) // 4), max(1, math.ceil(3 * len(words) / 4) - 1)
    # Of equal gaps the one nearest to the middle.
    middle = len(words) / 2
    cut = max(
        range(first, last + 1),
        key=lambda place: (words[place].start - words[place - 1].end, -abs(place - middle)),
    )
    yield from _shorten(words[:cut])
    yield from _shorten(words[cut:])
