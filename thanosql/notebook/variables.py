"""The notebook's variables that a statement names, `:name` or `$name`, as its parameters.

They travel beside the text and are never pasted into it: a text with quotes in it stays one value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thanosql.errors import DataError, StatementError
from thanosql.parameters import read_parameters

_PIECES = re.compile(
    r"""(?P<text>[eE]'(?:[^'\\]|\\.|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|\$(?P<tag>[^\W\d]\w*|)\$.*?(?:\$(?P=tag)\$|\Z))
    |   (?P<comment>--[^\n]*|^[ \t]*\#(?!>)[^\n]*|/\*.*?(?:\*/|\Z))
    |   (?P<cast>::)
    |   (?P<mark>[:$])(?P<name>[^\W\d]\w*)
    |   (?P<value>\w+)
    |   (?P<other>\S)""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class BoundText:
    """A text with its parameters."""

    text: str
    """With `:name` where `$name` stood."""
    parameters: Mapping[str, Any]


def bind_variables(text: str, variables: Mapping[str, Any]) -> BoundText:
    """Takes the values of the variables that `text` names outside strings, quoted names and comments.

    A `:name` in square brackets behind a value is the end of a slice, as in `list[1:n]`, and is left to the server.

    >>> bind_variables("SELECT '$a' FROM t WHERE b = $b", {"b": "it's"})
    BoundText(text="SELECT '$a' FROM t WHERE b = :b", parameters={'b': "it's"})

    Raises:
        StatementError: there is no such variable.
        DataError: a variable's value has no counterpart in SQL.
    """
    written: list[str] = []
    values: dict[str, Any] = {}
    brackets: list[str] = []
    begin, ends_value = 0, False
    for piece in _PIECES.finditer(text):
        name = piece["name"]
        if name and not (piece["mark"] == ":" and brackets[-1:] == ["["] and ends_value):
            values[name] = _value_of(name, piece, variables)
            written += [text[begin : piece.start()], f":{name}"]
            begin = piece.end()
        if piece["other"] in ("[", "(", "{"):
            brackets.append(piece["other"])
        elif piece["other"] in ("]", ")", "}") and brackets:
            brackets.pop()
        if not piece["comment"]:
            ends_value = bool(piece["value"] or piece["text"] or name) or piece["other"] in ("]", ")")
    return BoundText("".join([*written, text[begin:]]), values)


def _value_of(name: str, piece: re.Match[str], variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise StatementError(
            f"there is no variable {name!r} in this notebook",
            hint=f"Give it a value in a cell before: {name} = …; in quotes, '{piece[0]}' is a text.",
            **_place(piece),
        )
    try:
        read_parameters({name: variables[name]})
    except DataError as error:
        raise DataError(error.message, hint=error.hint, **_place(piece)) from None
    return variables[name]


def _place(piece: re.Match[str]) -> dict[str, Any]:
    before = piece.string[: piece.start()]
    line = before.count("\n")
    column = piece.start() - (before.rfind("\n") + 1) + 1
    return {"line": line + 1, "column": column, "excerpt": piece.string.splitlines()[line]}
