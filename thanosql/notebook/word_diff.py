"""Which words of a prediction are right: reference and prediction laid side by side, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from thanosql.scoring import normalise

MOST_WORDS = 400
"""Of a text that is compared word by word; longer ones are compared up to there."""


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

    @property
    def errors(self) -> int:
        """Words that are wrong, missed or added."""
        return sum(pair.verdict is not Verdict.RIGHT for pair in self.pairs)

    @property
    def words(self) -> int:
        """Words of the reference."""
        return sum(pair.verdict is not Verdict.ADDED for pair in self.pairs)

    @property
    def wer(self) -> float:
        """Word error rate, a fraction; a reference without words counts as one word long, as elsewhere."""
        return self.errors / max(self.words, 1)


def compare_words(reference: str, prediction: str) -> WordDiff:
    """Lays a prediction beside its reference with the fewest edits (Levenshtein), words compared as the WER does.

    >>> [(pair.said, pair.heard, pair.verdict.value) for pair in compare_words("One two, three", "one too").pairs]
    [('One', 'one', 'right'), ('two,', 'too', 'wrong'), ('three', '', 'missed')]
    """
    said, heard = _words(reference), _words(prediction)
    costs = _costs([word for word, _ in said], [word for word, _ in heard])
    pairs: list[WordPair] = []
    i, j = len(said), len(heard)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + _difference(said[i - 1][0], heard[j - 1][0]):
            i, j = i - 1, j - 1
            verdict = Verdict.RIGHT if said[i][0] == heard[j][0] else Verdict.WRONG
            pairs.append(WordPair(said[i][1], heard[j][1], verdict))
        elif i and costs[i][j] == costs[i - 1][j] + _EDIT:
            i -= 1
            pairs.append(WordPair(said[i][1], "", Verdict.MISSED))
        else:
            j -= 1
            pairs.append(WordPair("", heard[j][1], Verdict.ADDED))
    return WordDiff(tuple(reversed(pairs)))


def _words(text: str) -> list[tuple[str, str]]:
    """The words as they are compared, each with the way it is written."""
    words: list[tuple[str, str]] = []
    for written in text.split():
        compared = normalise(written).split()
        if len(compared) == 1:
            words.append((compared[0], written))
        else:  # "well-known" is two words to the WER, and "–" is none
            words += [(word, word) for word in compared]
    return words[:MOST_WORDS]


def _costs(said: Sequence[str], heard: Sequence[str]) -> list[list[int]]:
    """`costs[i][j]`: the least cost of making the first j words that were heard of the first i that were said."""
    costs = [[_EDIT * j for j in range(len(heard) + 1)]]
    for i, word in enumerate(said, 1):
        above, row = costs[-1], [_EDIT * i]
        for j, other in enumerate(heard, 1):
            row.append(min(above[j - 1] + _difference(word, other), above[j] + _EDIT, row[j - 1] + _EDIT))
        costs.append(row)
    return costs


_EDIT = 1_000_000
"""Of a word missed or added. What else two words cost adds up to less, so that the edits are the fewest."""


def _difference(word: str, other: str) -> int:
    """No cost for the same word; for another an edit, and a little more the fewer letters the two share."""
    if word == other:
        return 0
    letters, others = set(word), set(other)
    return _EDIT + 1000 - 1000 * len(letters & others) // len(letters | others)
