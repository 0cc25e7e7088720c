"""The user's own text, and errors that point into it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar
from unicodedata import normalize

from thanosql.errors import ThanoSQLError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlglot import exp

ErrorType = TypeVar("ErrorType", bound=ThanoSQLError)

NO_PLACE = -1
"""Place of something that does not stand in the text, such as a default."""

_EXCERPT_TAIL = 120
"""Characters of a long line that are shown after the caret."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text that a user sent: one or more statements. Places in it are offsets, counted from 0."""

    text: str

    def locate(self, at: int) -> tuple[int, int, str]:
        """Line and column of an offset, counted from 1, and the text of the line."""
        start = self.text.rfind("\n", 0, at) + 1
        line = self.text.count("\n", 0, start) + 1
        end = self.text.find("\n", at)
        whole = self.text[start : len(self.text) if end < 0 else end].rstrip("\r")
        column = min(at - start, len(whole)) + 1
        if len(whole) > column + _EXCERPT_TAIL:
            whole = whole[: column + _EXCERPT_TAIL] + "…"
        return line, column, whole

    def error(self, kind: type[ErrorType], message: str, at: int, hint: str = "") -> ErrorType:
        """An error of this kind that shows the place `at` in the text; not raised yet."""
        if at == NO_PLACE:
            return kind(message, hint=hint)
        line, column, excerpt = self.locate(at)
        return kind(message, hint=hint, line=line, column=column, excerpt=excerpt)

    def placed(self, error: ThanoSQLError, at: int) -> ThanoSQLError:
        """The same error with its place in the text, where it has none yet."""
        if not error.line and at != NO_PLACE:
            error.line, error.column, error.excerpt = self.locate(at)
        return error


def place_of(node: exp.Expr, otherwise: int) -> int:
    """Where a part of a query, or the first of its own parts, stands in the user's text."""
    for part in node.walk():
        start = part.meta.get("start")
        if isinstance(start, int):
            return start
    return otherwise


def nearest(word: str, candidates: Iterable[str], *, at_least: float = 0.7) -> str | None:
    """The candidate that was probably meant, or None where none is near (1 is the same); case does not count.

    >>> nearest("통하", ["요약", "통화"])
    '통화'
    """
    folded = {_spell_out(candidate): candidate for candidate in candidates}
    found = get_close_matches(_spell_out(word), folded, n=1, cutoff=at_least)
    return folded[found[0]] if found else None


def _spell_out(word: str) -> str:
    """Letter by letter, for a syllable of Hangul is one character and several keys."""
    return normalize("NFD", word.casefold())


def suggest(word: str, candidates: Iterable[str], label: str) -> str:
    """A hint: the nearest candidate, and else what there is.

    >>> suggest("auido_path", ["audio_path", "text"], "columns")
    'Did you mean audio_path? The columns are: audio_path, text.'
    """
    names = list(candidates)
    near = nearest(word, names)
    meant = f"Did you mean {near}? " if near else ""
    if not names:
        return f"There are no {label} yet."
    shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    return f"{meant}The {label} are: {shown}."
