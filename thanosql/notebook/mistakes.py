"""What is shown of a failed statement: what, where and what to do; no traceback."""

from __future__ import annotations

from thanosql.errors import ThanoSQLError
from thanosql.tables import visible

_NAME, _CARET, _PLAIN = "\x1b[1;31m", "\x1b[1;33m", "\x1b[0m"
"""ANSI's colours, which notebooks show as well as terminals."""


def explain(error: ThanoSQLError, *, coloured: bool = True) -> list[str]:
    """The lines for a failed statement, with a caret under its place."""

    def paint(colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if coloured else text

    head, *rest = str(error).split("\n")
    lines = [f"{paint(_NAME, type(error).__name__)}: {_tame(head)}"]
    for text in rest:
        is_caret = text.strip(" \t|") == "^"
        lines.append(paint(_CARET, _tame(text)) if is_caret else _tame(text))
    return lines


def _tame(line: str) -> str:
    """A line whose control characters are visible; tabs stay, for the caret."""
    return "\t".join(visible(part) for part in line.split("\t"))
