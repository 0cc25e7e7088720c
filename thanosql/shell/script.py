r"""Texts of statements: where one ends, which parameters it names, and where `\commands` stand between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECES = re.compile(
    r"""(?P<closed>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
          | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)   # a text or quoted name: a `;` in it ends nothing
    |   (?P<comment>--[^\n]*|^[ \t]*\#(?!>)[^\n]*)
    |   (?P<opened>(?<!\w)[eE]'|['"]|/\*)                            # of which there is no end, or only a nested one
    |   (?P<end>;)
    |   (?P<parameter>(?<![:\w\])'"]):(?P<name>[^\W\d]\w*))
    |   (?P<space>\s+)
    |   ::|\w+|.""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Piece:
    r"""A part of a text that is carried out as one."""

    text: str
    line: int
    """That it begins in, from 1."""
    is_command: bool = False
    r"""It is a `\command`."""


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


def split(text: str) -> tuple[Piece, ...]:
    """The statements of `text`, without their `;`, each with the line that its first word stands in."""
    statements = []
    start = first = -1
    for kind, at, end in _scan(text):
        if kind == "end":
            if first >= 0:
                statements.append((start, first, at))
            start = first = -1
            continue
        start = at if start < 0 else start
        if first < 0 and kind not in ("comment", "space"):
            first = at
        if first >= 0:
            last = end
    if first >= 0:
        statements.append((start, first, last))
    return tuple(Piece(text[first:end].rstrip(), text.count("\n", 0, first) + 1) for _, first, end in statements)


def parameters_in(text: str) -> frozenset[str]:
    """The names of the `:name`s of `text`; `::` casts, texts and comments have none."""
    return frozenset(text[start + 1 : end] for kind, start, end in _scan(text) if kind == "parameter")


def last_statement(text: str) -> str:
    """What stands behind the last `;`: the statement that is being typed."""
    ends = [end for kind, _, end in _scan(text) if kind == "end"]
    return text[ends[-1] :] if ends else text


def pieces(text: str) -> Iterator[Piece]:
    r"""The statements of a script, in groups as long as they can be, and the `\commands` between them."""
    group, line = "", 1
    for number, each in enumerate(text.splitlines(keepends=True), 1):
        if each.lstrip().startswith("\\") and (is_blank(group) or ends_statement(group)):
            if not is_blank(group):
                yield Piece(group, line)
            yield Piece(each.strip(), number, is_command=True)
            group, line = "", number + 1
        else:
            group += each
    if not is_blank(group):
        yield Piece(group, line)


def _scan(text: str) -> Iterator[tuple[str, int, int]]:
    """The kind, start and end of each piece: closed, comment, opened, end, parameter, space or (empty) any other."""
    at = 0
    while found := _PIECES.match(text, at):
        kind = next((name for name in ("closed", "comment", "opened", "end", "parameter", "space") if found[name]), "")
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
