"""The text of statements as a client reads it: where one ends, and which parameters it names.

The server alone knows what a statement means; this is what has to be known before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECES = re.compile(
    r"""(?P<closed>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
          | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)   # a text or quoted name: a `;` in it ends nothing
    |   (?P<comment>--[^\n]*|^[ \t]*\#(?!>)[^\n]*)
    |   (?P<opened>(?<!\w)[eE]'|['"]|\$(?:[^\W\d]\w*)?\$|/\*)   # of which there is no end, or only a nested one
    |   (?P<end>;)
    |   ::
    |   (?P<parameter>[:$][^\W\d]\w*)
    |   (?P<space>\s+)
    |   (?P<word>\w+)
    |   (?P<bracket>[\[\](){}])
    |   .""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_KINDS = ("closed", "comment", "opened", "end", "parameter", "space", "word", "bracket")
_COMMENT_MARK = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """One of the statements of a text."""

    text: str
    """Without its `;`."""
    line: int
    """That its first word stands in, from 1."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A parameter, as it stands in a text."""

    name: str
    start: int
    end: int
    """Characters of the text: its first, and the one behind its last."""


def ends_statement(text: str) -> bool:
    """Whether `text` ends with a `;` that is not in a string, a quoted name or a comment."""
    ended = False
    for kind, _, _ in _scan(text):
        if kind == "opened":
            return False
        if kind not in ("comment", "space"):
            ended = kind == "end"
    return ended


def is_blank(text: str) -> bool:
    """Whether there is nothing in `text` but spaces and comments."""
    return all(kind in ("comment", "space") for kind, _, _ in _scan(text))


def split(text: str) -> tuple[Statement, ...]:
    """The statements of `text`.

    >>> split("SELECT ';';\\nLIST TABLES;")
    (Statement(text="SELECT ';'", line=1), Statement(text='LIST TABLES', line=2))
    """
    statements = []
    first = last = -1
    for kind, at, end in _scan(text):
        if kind == "end":
            if first >= 0:
                statements.append((first, at))
            first = -1
        elif first >= 0:
            last = end
        elif kind not in ("comment", "space"):
            first, last = at, end
    if first >= 0:
        statements.append((first, last))
    return tuple(Statement(text[first:end].rstrip(), text.count("\n", 0, first) + 1) for first, end in statements)


def find_parameters(text: str, signs: str = ":") -> Iterator[Mark]:
    """The parameters of `text`, in order: names behind one of `signs`, outside strings, quoted names and comments.

    A `:name` in square brackets behind a value is the end of a slice, as in `list[1:n]`, and is none.

    >>> [each.name for each in find_parameters("SELECT a::text, list[1:n], ':x' FROM t WHERE b = :b")]
    ['b']
    """
    brackets: list[str] = []
    ends_value = False
    for kind, at, end in _scan(text):
        if kind == "opened":
            return
        if kind == "parameter" and text[at] in signs:
            if text[at] != ":" or brackets[-1:] != ["["] or not ends_value:
                yield Mark(text[at + 1 : end], at, end)
        elif kind == "bracket":
            if text[at] in "[({":
                brackets.append(text[at])
            elif brackets:
                brackets.pop()
        if kind not in ("comment", "space"):
            ends_value = kind in ("closed", "word", "parameter") or text[at] in "])"


def last_statement(text: str) -> str:
    """What stands behind the last `;`: the statement that is being typed."""
    ends = [end for kind, _, end in _scan(text) if kind == "end"]
    return text[ends[-1] :] if ends else text


def _scan(text: str) -> Iterator[tuple[str, int, int]]:
    """The kind, start and end of each piece; of what is of no interest the kind is empty."""
    at = 0
    while found := _PIECES.match(text, at):
        kind = next((name for name in _KINDS if found[name]), "")
        end = found.end()
        if found["opened"] == "/*" and (behind := _end_of_comment(text, at)):
            kind, end = "comment", behind
        yield kind, at, end
        at = end


def _end_of_comment(text: str, start: int) -> int:
    """Where a block comment ends, which may hold others; 0 where it does not."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return 0
