"""Which words of a prediction are right: reference and prediction laid side by side, word by word."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from thanosql.confusions import align_words
from thanosql.scoring import normalise, word_errors

MOST_WORDS = 400
"""Of each text that are laid side by side; the error rate is that of all."""


class Verdict(StrEnum):
    """What has become of a word."""

    RIGHT = "right"
    WRONG = "wrong"
    """Another word was heard."""
    MISSED = "missed"
    """A word of the reference that was not heard."""
    ADDED = "added"
    """A word that was heard and not said."""


@dataclass(frozen=True, slots=True)
class WordPair:
    """A word that was said and the one that was heard for it, as they are written; one is "" where there is none."""

    said: str
    heard: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class WordDiff:
    """A prediction beside its reference."""

    pairs: tuple[WordPair, ...]
    wer: float
    """Word error rate, a fraction; a reference without words counts as one word long, as elsewhere."""


def compare_words(reference: str, prediction: str) -> WordDiff:
    """Lays a prediction beside its reference with the fewest edits, words compared as the WER does.

    >>> [(pair.said, pair.heard, pair.verdict.value) for pair in compare_words("One two, three", "one too").pairs]
    [('One', 'one', 'right'), ('two,', 'too', 'wrong'), ('three', '', 'missed')]
    """
    said, heard = _words(reference), _words(prediction)
    written_said, written_heard = (iter([written for _, written in each]) for each in (said, heard))
    pairs = [
        WordPair(next(written_said) if left else "", next(written_heard) if right else "", _judge(left, right))
        for left, right in align_words([word for word, _ in said], [word for word, _ in heard])
    ]
    return WordDiff(tuple(pairs), word_errors([reference], [prediction]).rate)


def _judge(said: str, heard: str) -> Verdict:
    if said == heard:
        return Verdict.RIGHT
    if not heard:
        return Verdict.MISSED
    return Verdict.WRONG if said else Verdict.ADDED


def _words(text: str) -> list[tuple[str, str]]:
    """The words as they are compared, each with the way it is written."""
    words: list[tuple[str, str]] = []
    for written in islice(text.split(), MOST_WORDS):
        compared = normalise(written).split()
        if len(compared) == 1:
            words.append((compared[0], written))
        else:  # "well-known" is two words to the WER, and "–" is none
            words += [(word, word) for word in compared]
    return words
