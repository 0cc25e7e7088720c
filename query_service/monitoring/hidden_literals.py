"""A statement's text without what its literals say: for traces, which others read than those who wrote it."""

from __future__ import annotations

import re

LONGEST = 400
"""Characters; the rest is cut off."""

# Strings with backslashes, other strings, strings in dollars, comments, names in quotes (kept), and numbers.
_PIECES = re.compile(
    r"""(?P<string>[eE]'(?:\\.|''|[^'\\])*'?|'(?:''|[^'])*'?|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"""
    r"""|(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"""
    r"""|(?P<name>"(?:""|[^"])*"?)"""
    r"""|(?P<number>(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\b)""",
    re.DOTALL,
)


def hide_literals(text: str) -> str:
    """The text on one line, with ? for each string and number and without comments.

    >>> hide_literals("SELECT name, 'O''Hara' -- whose?\\nFROM people WHERE age > 17.5 AND t1 = 3")
    'SELECT name, ? FROM people WHERE age > ? AND t1 = ?'
    """
    hidden = " ".join(_PIECES.sub(_hide, text).split())
    return hidden if len(hidden) <= LONGEST else f"{hidden[: LONGEST - 1]}…"


def _hide(piece: re.Match[str]) -> str:
    if piece["name"] is not None:
        return piece["name"]
    return " " if piece["comment"] is not None else "?"
