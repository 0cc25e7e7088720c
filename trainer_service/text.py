"""Turns transcripts into labels of a model's vocabulary, and counts what the vocabulary cannot spell.

The rules, in order:

1. NFKC; typographic apostrophes become `'`.
2. Letters take the case that the vocabulary has; where it has both, they stay.
3. A character that the vocabulary holds stays.
4. Spaces, punctuation, symbols and control characters become one space; an apostrophe or a combining mark just goes.
5. What is left is taken apart (NFD): é is e where only e is known, 가 is its jamo where only those are known.
6. What remains is unknown: it is counted and named, and its row is not learned from.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from thanosql.errors import DataError

UNKNOWN_LIMIT = 0.01
"""Share of unknown characters above which training does not start."""

_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u0060\u00b4\u2032\uff07"), "'")


@dataclass(frozen=True, slots=True)
class Labels:
    """A transcript as the model is to spell it."""

    tokens: tuple[int, ...]
    """Indices into the vocabulary, words parted by the delimiter."""
    unknown: str = ""
    """The characters that the vocabulary cannot spell, each as often as it stands in the transcript."""
    characters: int = 0
    """Characters of the transcript after normalisation, spaces not counted, unknown ones counted."""

    @property
    def frames_needed(self) -> int:
        """Frames that CTC needs at least: one for each label, and a blank between equal neighbours."""
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return len(self.tokens) + sum(left == right for left, right in pairs)


class Alphabet:
    """What a vocabulary can spell.

    Args:
        vocabulary: Token of each output, by index.
        word_delimiter: Index of the token that stands between words.
        special: Indices that are no text: blank, `<s>`, `</s>`, `<unk>`.
    """

    def __init__(self, vocabulary: Iterable[str], word_delimiter: int, special: Iterable[int]) -> None:
        silent = {word_delimiter, *special}
        self._delimiter = word_delimiter
        self._index: Mapping[str, int] = {
            token: index for index, token in enumerate(vocabulary) if len(token) == 1 and index not in silent
        }
        self._upper = any(c.isupper() for c in self._index)
        self._lower = any(c.islower() for c in self._index)

    @property
    def letters(self) -> str:
        """Every character that can be spelled, in order."""
        return "".join(sorted(self._index))

    def encode(self, text: str) -> Labels:
        """The labels of a transcript."""
        words: list[list[int]] = [[]]
        unknown: list[str] = []
        for character in self._fold(text):
            spelled = self._spell(character)
            if spelled is None:
                unknown.append(character)
            elif spelled:
                words[-1].extend(spelled)
            elif character != "'" and unicodedata.category(character)[0] != "M":
                words.append([])
        tokens: list[int] = []
        for word in filter(None, words):
            tokens += [self._delimiter, *word] if tokens else word
        return Labels(tuple(tokens), "".join(unknown), sum(map(len, words)) + len(unknown))

    def _fold(self, text: str) -> str:
        folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
        if self._upper != self._lower:
            folded = folded.upper() if self._upper else folded.lower()
        return folded

    def _spell(self, character: str) -> list[int] | None:
        """The labels of one character; none for what only parts words; None for what is unknown."""
        if character in self._index:
            return [self._index[character]]
        if character == "'" or unicodedata.category(character)[0] in "ZPSCM":
            return []
        decomposed = unicodedata.normalize("NFD", character)
        letters = [part for part in decomposed if not unicodedata.combining(part)]
        # All letters and jamo must be known; an accent may be left out.
        if not all(part in self._index for part in letters):
            return None
        return [self._index[part] for part in decomposed if part in self._index]


def require_known_characters(labels: Iterable[Labels], alphabet: Alphabet, base: str) -> None:
    """Refuses transcripts that are in another alphabet than the model's.

    Raises:
        DataError: more than `UNKNOWN_LIMIT` of all characters are unknown.
    """
    unknown: Counter[str] = Counter()
    total = 0
    for each in labels:
        unknown.update(each.unknown)
        total += each.characters
    share = unknown.total() / max(total, 1)
    if share <= UNKNOWN_LIMIT:
        return
    most = " ".join(f"{character!r} ({count})" for character, count in unknown.most_common(12))
    raise DataError(
        f"{share:.1%} of the characters in the transcripts are not in the vocabulary of {base}: {most}"
        + (" …" if len(unknown) > 12 else ""),
        hint=f"Its vocabulary is: {_shorten(alphabet.letters)}. "
        "Write numbers as words, or choose a base for this language.",
    )


def _shorten(letters: str, most: int = 80) -> str:
    return letters if len(letters) <= most else f"{letters[:most]}… ({len(letters)} characters)"
