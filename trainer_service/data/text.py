"""Counts the characters of transcripts, by how a model's vocabulary spells them (`thanosql.alphabet`)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from thanosql.alphabet import Alphabet
from thanosql.errors import DataError

UNKNOWN_LIMIT = 0.01
"""Share of unknown characters above which training does not start."""


@dataclass(frozen=True, slots=True)
class CharacterCount:
    """The characters of transcripts, by how a vocabulary spells them; what only parts words is not counted."""

    total: int
    unknown: Counter[str] = field(default_factory=Counter)
    """Those that it cannot spell."""
    without_accents: Counter[str] = field(default_factory=Counter)
    """Those that it can only spell by leaving something out: é as e."""
    letters: Counter[str] = field(default_factory=Counter)
    """All letters, known or not, and the vowel signs and tones that scripts such as Devanagari and Thai write as marks;
    neither digits nor the accents that are combined with letters of any script."""

    @property
    def unknown_share(self) -> float:
        """Of all characters, as a fraction."""
        return self.unknown.total() / max(self.total, 1)


def count_characters(texts: Iterable[str], alphabet: Alphabet) -> CharacterCount:
    """Counts the characters of all transcripts."""
    every: Counter[str] = Counter()
    for text in texts:
        every.update(alphabet.fold(text))
    letters = Counter({c: count for c, count in every.items() if unicodedata.category(c)[0] == "L"})
    scripts = {script_of(c) for c in letters}
    marks = {c: n for c, n in every.items() if unicodedata.category(c)[0] == "M" and script_of(c) in scripts}
    counted = CharacterCount(
        total=sum(count for c, count in every.items() if alphabet.spell(c) != ()),
        letters=letters + Counter(marks),
    )
    for character, count in every.items():
        if alphabet.spell(character) is None:
            counted.unknown[character] = count
        elif alphabet.leaves_out_accent(character):
            counted.without_accents[character] = count
    return counted


def script_of(character: str) -> str:
    """The script of a letter or mark, by the first word of its Unicode name: LATIN, HANGUL, CJK."""
    return unicodedata.name(character, "").partition(" ")[0]


def require_known_characters(count: CharacterCount, alphabet: Alphabet, base: str) -> None:
    """Refuses transcripts that a model's alphabet cannot spell.

    Raises:
        DataError: more than `UNKNOWN_LIMIT` of all characters are unknown.
    """
    if count.unknown_share <= UNKNOWN_LIMIT:
        return
    most = " ".join(f"{character!r} ({each})" for character, each in count.unknown.most_common(12))
    raise DataError(
        f"{count.unknown_share:.1%} of the characters in the transcripts are not in the vocabulary of {base}: {most}"
        + (" …" if len(count.unknown) > 12 else ""),
        hint=f"Its vocabulary is: {shorten(alphabet.letters)}. "
        "Write numbers as words, or choose a base for this language.",
    )


def shorten(letters: str, most: int = 80) -> str:
    """The first of many letters, and how many there are."""
    return letters if len(letters) <= most else f"{letters[:most]}… ({len(letters)} characters)"
