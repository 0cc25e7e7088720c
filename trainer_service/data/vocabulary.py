"""Decides whether a base model's vocabulary fits the transcripts, and which letters a new one has where it does not.

A letter *does not fit* where the vocabulary cannot spell it, or only without its accent. With all characters of the
transcripts counted:

1. No more than 1 % do not fit: the vocabulary is kept. Rows with an unknown character are dropped.
2. Most letters are unknown (Hangul or Cyrillic against an English base): the vocabulary is made anew, of all letters of
   the transcripts. Hangul is spelled in syllables; in jamo only by a base that knows jamo, and is kept then.
3. Else, where more than 1 % are letters of the base's own script that do not fit (umlauts against an English base): the
   vocabulary is extended by those letters; by those of other scripts too where they are a fifth of all letters or more
   (Korean with many English words).
4. Else it is kept.

What is unknown then is judged by `text.require_known_characters`: English with many digits is case 1 or 4, and is
refused there, for digits and symbols are never made letters: numbers are to be written as they are spoken. So is text
with more than 1 %, and less than a fifth, of letters of some other script strewn in.

A new vocabulary is made of text, not of garbage. It is refused where transcripts are UTF-8 that was read as something
else, where it would be larger than any that is in use, and where the letters hardly ever come again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from thanosql.alphabet import Alphabet
from thanosql.errors import DataError
from trainer_service.data.text import UNKNOWN_LIMIT, CharacterCount, count_characters, script_of, shorten

MEANT_SHARE = 0.2
"""Of all letters, from which on those of another script are no mistake."""
MOST_LETTERS = 5_000
"""Of a vocabulary; Mandarin by characters has between four and five thousand."""
LEAST_REPETITION = 3.0
"""Times that a letter stands in the transcripts on average. One that is seen once or twice cannot be learned, and in
garbage hardly any comes again."""

_MISREAD_AS = ("latin-1", "cp1252", "cp1251")
_INNER_APOSTROPHE = re.compile(r"\w'\w")


class Change(StrEnum):
    """What becomes of a base model's vocabulary."""

    KEPT = "kept"
    EXTENDED = "extended"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Choice:
    """The vocabulary for transcripts."""

    change: Change
    letters: str = ""
    """Sorted: those that are added, or all of a new vocabulary."""


def choose_vocabulary(texts: Sequence[str], alphabet: Alphabet, base: str) -> Choice:
    """Which vocabulary the transcripts want, by the rules above.

    Args:
        texts: The transcripts, as they came.
        alphabet: Of the base model.
        base: Its name, for messages.

    Raises:
        DataError: a new vocabulary is needed, and the transcripts are not fit to make one.
    """
    count = count_characters(texts, alphabet)
    unknown = {c: n for c, n in count.letters.items() if c in count.unknown}
    # Marks are counted as letters, and a vocabulary without them has no use for them: they just go.
    misfits = unknown | {c: n for c, n in count.letters.items() if c in count.without_accents}
    limit = UNKNOWN_LIMIT * count.total
    if sum(misfits.values()) <= limit:
        return Choice(Change.KEPT)
    if 2 * sum(unknown.values()) > count.letters.total():
        letters = set(count.letters)
        if any(_INNER_APOSTROPHE.search(alphabet.fold(text)) for text in texts):
            letters.add("'")
        choice = Choice(Change.NEW, "".join(sorted(letters)))
    else:
        scripts = {script_of(letter) for letter in alphabet.letters}
        own = {c: n for c, n in misfits.items() if script_of(c) in scripts}
        foreign = sum(misfits.values()) - sum(own.values())
        added = misfits if foreign >= MEANT_SHARE * count.letters.total() else own
        if sum(added.values()) <= limit:
            return Choice(Change.KEPT)
        choice = Choice(Change.EXTENDED, "".join(sorted(added)))
    _require_text(texts, count, base)
    return choice


def _require_text(texts: Sequence[str], count: CharacterCount, base: str) -> None:
    needs = f"the vocabulary of {base} does not spell the transcripts, and no other can be made of them"
    misread = [(text, meant) for text in texts if (meant := _repair(text)) is not None]
    if len(misread) > UNKNOWN_LIMIT * len(texts):
        text, meant = misread[0]
        raise DataError(
            f"{needs}: {len(misread)} of {len(texts)} are UTF-8 that was read in another encoding, for example "
            f"{shorten(text)!r}, which should be {shorten(meant)!r}",
            hint="Read the file as UTF-8, and make the table again.",
        )
    distinct = len(count.letters)
    if distinct > MOST_LETTERS:
        raise DataError(
            f"{needs}: they hold {distinct:,} different letters, and a vocabulary has at most {MOST_LETTERS:,}",
            hint="Are these transcripts? If they are, write them in an alphabet or a syllabary.",
        )
    if count.letters.total() < LEAST_REPETITION * distinct:
        raise DataError(
            f"{needs}: {distinct:,} different letters stand in a text of {count.letters.total():,}, so each is seen "
            f"{count.letters.total() / distinct:.1f} times on average, and {LEAST_REPETITION:g} is the least",
            hint="More rows show each letter more often. Or choose a base for this language: its vocabulary is kept.",
        )


def _repair(text: str) -> str | None:
    """What a text says that was UTF-8 and read as something else; None for any other text."""
    if text.isascii():
        return None
    for encoding in _MISREAD_AS:
        try:
            # Text that is text does not, by chance, have the form of UTF-8 in another encoding.
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return None
