r"""Scripts: the statements of a text in groups, and the `\commands` between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thanosql.statement_text import ends_statement, is_blank


@dataclass(frozen=True)
class Piece:
    r"""A part of a text that is carried out as one."""

    text: str
    line: int
    """That it begins in, from 1."""
    is_command: bool = False
    r"""It is a `\command`."""


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
