"""Which words are heard as which others: the most frequent confusions over aligned transcripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

Kind = Literal["substitution", "insertion", "deletion"]

SHOWN_CONFUSIONS = 10
"""Confusions shown of each kind."""

WORD_LENGTH = 40
"""Characters after which a shown word is cut: a language written without spaces has sentences for words."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """A word, what was heard in its place, and how often."""

    kind: Kind
    reference: str
    """"" where a word was inserted."""
    heard: str
    """"" where a word was deleted."""
    count: int


WordEdit = tuple[str, str]
"""A word of the reference and the word heard for it, one of the two "" for a deletion or an insertion."""


def rank_confusions(edits: Iterable[WordEdit]) -> dict[Kind, tuple[Confusion, ...]]:
    """The most frequent edits of each kind, most frequent first, equal counts by the alphabet.

    >>> edits = [("to", "two"), ("a", ""), ("to", "two"), ("", "uh")]
    >>> rank_confusions(edits)["substitution"]
    (Confusion(kind='substitution', reference='to', heard='two', count=2),)
    """
    ranked: dict[Kind, list[Confusion]] = {"substitution": [], "insertion": [], "deletion": []}
    for (reference, heard), count in sorted(Counter(edits).items(), key=lambda item: (-item[1], item[0])):
        kind: Kind = "insertion" if not reference else "deletion" if not heard else "substitution"
        if len(ranked[kind]) < SHOWN_CONFUSIONS:
            ranked[kind].append(Confusion(kind, cut(reference, WORD_LENGTH), cut(heard, WORD_LENGTH), count))
    return {kind: tuple(confusions) for kind, confusions in ranked.items()}


def cut(text: str, length: int) -> str:
    """The text, or its beginning with an ellipsis where it is longer than so many characters.

    >>> cut("one two three", 8)
    'one two…'
    """
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def find_word_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[WordEdit]:
    """The edits of `align_words`, without the words that are right.

    >>> list(find_word_edits("we like ice cream".split(), "we like cream's".split()))
    [('ice', ''), ('cream', "cream's")]
    """
    return ((said, heard) for said, heard in align_words(reference, hypothesis) if said != heard)


def align_words(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[WordEdit]:
    """A least (Levenshtein) alignment of words, in order: each word of the reference beside the one heard for it.

    Which words of a run of wrong ones stand for which others, the least number of edits leaves open: n words
    against m cost the larger of the two however they are paired. They are paired by how alike they look, so
    that "ice cream" heard as "cream's" is "cream" misheard and "ice" left out, and not the other way round.

    >>> list(align_words("ice cream".split(), "cream's".split()))
    [('ice', ''), ('cream', "cream's")]
    """
    from rapidfuzz.distance import Levenshtein

    run: tuple[list[str], list[str]] = [], []
    for step in Levenshtein.opcodes(reference, hypothesis):
        said, heard = reference[step.src_start : step.src_end], hypothesis[step.dest_start : step.dest_end]
        if step.tag == "equal":
            yield from _pair(*run)
            run = [], []
            yield from zip(said, heard, strict=True)
        else:
            run[0].extend(said)
            run[1].extend(heard)
    yield from _pair(*run)


def _pair(reference: Sequence[str], heard: Sequence[str]) -> Iterator[WordEdit]:
    """Pairs a run of words with those heard in their place, in order, every word of the shorter side with one."""
    if len(reference) == len(heard) or not reference or not heard:
        yield from zip_longest(reference, heard, fillvalue="")
        return
    from rapidfuzz.distance import Levenshtein

    swapped = len(reference) > len(heard)
    short, long = (heard, reference) if swapped else (reference, heard)
    spare = len(long) - len(short)
    # costs[i][j]: of the first i words of the short side, paired with i of the first i + j of the long side.
    costs = [[0.0] * (spare + 1)]
    for i, word in enumerate(short):
        row: list[float] = []
        for j in range(spare + 1):
            paired = costs[i][j] + Levenshtein.normalized_distance(word, long[i + j])
            row.append(min(paired, row[j - 1]) if j else paired)
        costs.append(row)
    edits: list[WordEdit] = []
    i, j = len(short), spare
    while i or j:
        if j and (not i or costs[i][j] == costs[i][j - 1]):
            j -= 1
            edits.append(("", long[i + j]))
        else:
            i -= 1
            edits.append((short[i], long[i + j]))
    yield from ((right, left) if swapped else (left, right) for left, right in reversed(edits))
