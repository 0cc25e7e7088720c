"""What a model's vocabulary can spell: text to labels by one set of rules, in training and when it is served.

The rules, in order:

1. NFKC; typographic apostrophes become `'`.
2. Letters take the case that the vocabulary has; where it has both, they stay, and where it has none, they are lower.
3. A character that the vocabulary holds stays.
4. Spaces, punctuation, symbols and control characters become one space; an apostrophe or a combining mark just goes.
5. What is left is taken apart (NFD): é is e where only e is known, 가 is its jamo where only those are known.
6. What remains is unknown, and so is U+FFFD, which stands where something was lost: it is counted and named, and its
   row is not learned from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from thanosql.modelstore import ModelDescription

_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u0060\u00b4\u2032\uff07"), "'")
_LOST = "\ufffd"


@dataclass(frozen=True, slots=True)
class Labels:
    """A transcript as the model is to spell it."""

    tokens: tuple[int, ...]
    """Indices into the vocabulary, words parted by the delimiter."""
    unknown: str = ""
    """The characters that the vocabulary cannot spell, each as often as it stands in the transcript."""

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
        self._letter = {index: token for token, index in self._index.items()}
        self._upper = any(c.isupper() for c in self._index)
        self._lower = any(c.islower() for c in self._index)
        self._spelled: dict[str, tuple[int, ...] | None] = {}

    @property
    def letters(self) -> str:
        """Every character that can be spelled, in order."""
        return "".join(sorted(self._index))

    def encode(self, text: str) -> Labels:
        """The labels of a transcript."""
        words: list[list[int]] = [[]]
        unknown: list[str] = []
        for character in self.fold(text):
            spelled = self.spell(character)
            if spelled is None:
                unknown.append(character)
            elif spelled:
                words[-1].extend(spelled)
            elif character != "'" and unicodedata.category(character)[0] != "M":
                words.append([])
        tokens: list[int] = []
        for word in filter(None, words):
            tokens += [self._delimiter, *word] if tokens else word
        return Labels(tuple(tokens), "".join(unknown))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that labels spell, words parted by a space."""
        return "".join(self._letter.get(token, " ") for token in tokens)

    def fold(self, text: str) -> str:
        """A transcript by the rules 1 and 2."""
        folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
        if self._upper and self._lower:
            return folded
        return folded.upper() if self._upper else folded.lower()

    def spell(self, character: str) -> tuple[int, ...] | None:
        """The labels of a folded character by the rules 3 to 6.

        Returns:
            None for what is unknown; no labels for what is not spelled: it parts words, or just goes.
        """
        if character not in self._spelled:
            self._spelled[character] = self._find_spelling(character)
        return self._spelled[character]

    def leaves_out_accent(self, character: str) -> bool:
        """Whether a folded character is spelled without a part of it."""
        return bool(self.spell(character)) and not self._holds(character)

    def _find_spelling(self, character: str) -> tuple[int, ...] | None:
        if character in self._index:
            return (self._index[character],)
        if character == _LOST:
            return None
        if character == "'" or unicodedata.category(character)[0] in "ZPSCM":
            return ()
        decomposed = unicodedata.normalize("NFD", character)
        letters = [part for part in decomposed if not unicodedata.combining(part)]
        # All letters and jamo must be known; an accent may be left out.
        if not all(part in self._index for part in letters):
            return None
        return tuple(self._index[part] for part in decomposed if part in self._index)

    def _holds(self, character: str) -> bool:
        return character in self._index or all(part in self._index for part in unicodedata.normalize("NFD", character))


def find_alphabet(model: ModelDescription) -> Alphabet:
    """What a model in the store can spell."""
    return Alphabet(model.vocabulary, model.word_delimiter, (model.blank, *model.special))
