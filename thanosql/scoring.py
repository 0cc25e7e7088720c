"""Word and character error rates of transcripts, after one normalisation of both sides.

The normalisation is there so that an upper-case model is not punished for lower-case references: NFKC, case
folding, typographic apostrophes to plain ones, everything outside letters, digits and apostrophes to a
space, runs of space collapsed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u02b9\u0060\u00b4\u2032\uff07"), "'")
"""The characters that people type for an apostrophe, by their code, for `str.translate`."""


def is_compared(code: int) -> bool:
    """Whether a character is kept for the comparison: a letter, mark or digit, or the apostrophe."""
    # Marks stay: they are the vowels of Devanagari and the tones of Thai.
    return code == ord("'") or unicodedata.category(chr(code))[0] in "LMN"


class _Compared(dict[int, int]):
    """What becomes of each character: itself, or a space; for `str.translate`, found out once per character."""

    def __missing__(self, code: int) -> int:
        return self.setdefault(code, code if is_compared(code) else ord(" "))


_COMPARED = _Compared()


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of hypotheses against references, in words or characters; counts of several rows add up."""

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    length: int = 0
    """Words or characters in the references."""

    @property
    def errors(self) -> int:
        """All errors together."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors by reference length, a fraction that insertions may take above 1.

        References without any word count as one word long, so that a rate is always a finite number.
        """
        return self.errors / max(self.length, 1)

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.length + other.length,
        )


def normalise(text: str) -> str:
    """The text as it is compared.

    >>> normalise("  Don’t PANIC – it's 42! ")
    "don't panic it's 42"
    """
    # Before NFKC, which would turn the acute accent that stands for an apostrophe into a space.
    folded = unicodedata.normalize("NFKC", text.translate(APOSTROPHES)).casefold()
    # Folding may take characters apart again (İ becomes i and a dot).
    folded = unicodedata.normalize("NFKC", folded)
    return re.sub(r" +", " ", folded.translate(_COMPARED)).strip()


def word_errors(references: Iterable[str], hypotheses: Iterable[str]) -> ErrorCounts:
    """Errors in words over a corpus, both sides normalised.

    Raises:
        ValueError: the two are of different length.
    """
    pairs = zip(references, hypotheses, strict=True)
    return _sum(count_errors(normalise(left).split(), normalise(right).split()) for left, right in pairs)


def character_errors(references: Iterable[str], hypotheses: Iterable[str]) -> ErrorCounts:
    """Errors in characters over a corpus, spaces between words included, both sides normalised.

    Raises:
        ValueError: the two are of different length.
    """
    pairs = zip(references, hypotheses, strict=True)
    return _sum(count_errors(normalise(left), normalise(right)) for left, right in pairs)


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """The fewest edits (Levenshtein) that make the hypothesis of the reference; lists of words, or characters.

    >>> count_errors("one two three".split(), "won two".split())
    ErrorCounts(substitutions=1, insertions=0, deletions=1, length=3)
    """
    from rapidfuzz.distance import Levenshtein

    edits = [edit.tag for edit in Levenshtein.editops(reference, hypothesis)]
    return ErrorCounts(edits.count("replace"), edits.count("insert"), edits.count("delete"), len(reference))


def _sum(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    return sum(counts, ErrorCounts())
