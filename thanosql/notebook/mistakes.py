"""What is shown of a failed statement: what, where and what to do; no traceback."""

from __future__ import annotations

from collections.abc import Sequence

from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end
from thanosql.tables import visible

_NAME, _CARET, _QUIET, _PLAIN = "\x1b[1;31m", "\x1b[1;33m", "\x1b[2m", "\x1b[0m"
"""ANSI's colours, which notebooks show as well as terminals."""
_STATEMENT_LENGTH = 60


def explain(error: ThanoSQLError, done: Sequence[str] = (), failed: str = "", *, coloured: bool = True) -> list[str]:
    """The lines for a failed statement, with a caret under its place.

    Args:
        error: The failure.
        done: The statements of the same text that had ended well before.
        failed: The statement that failed; empty where none had begun.
        coloured: Whether there may be colours.
    """

    def paint(colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if coloured else text

    head, *rest = str(error).split("\n")
    if isinstance(error, Cancelled):
        head = describe_end(error)
    lines = [f"{paint(_NAME, type(error).__name__)}: {_tame(head)}"]
    for text in rest:
        is_caret = text.strip(" \t|").strip() == "^"
        lines.append(paint(_CARET, _tame(text)) if is_caret else _tame(text))
    if done:
        lines.append(paint(_QUIET, _tell_of(done, failed)))
    return lines


def _tell_of(done: Sequence[str], failed: str) -> str:
    before = f"statement {len(done)}" if len(done) == 1 else f"statements 1 to {len(done)}"
    which = f"Statement {len(done) + 1} failed" + (f" ({_shorten(failed)})" if failed else "")
    has = "has" if len(done) == 1 else "have"
    return f"{which}; {before} {has} taken effect, and what stands after it was not run."


def _shorten(statement: str) -> str:
    text = " ".join(statement.split())
    return visible(text if len(text) <= _STATEMENT_LENGTH else f"{text[: _STATEMENT_LENGTH - 1]}…")


def _tame(line: str) -> str:
    """A line whose control characters are visible; tabs stay, for the caret."""
    return "\t".join(visible(part) for part in line.split("\t"))
