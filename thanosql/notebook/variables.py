"""The notebook's variables that a statement names, `:name` or `$name`, as its parameters.

They travel beside the text and are never pasted into it: a text with quotes in it stays one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thanosql.errors import DataError, StatementError
from thanosql.parameters import read_parameters
from thanosql.statement_text import Mark, find_parameters


@dataclass(frozen=True, slots=True)
class BoundText:
    """A text with its parameters."""

    text: str
    """With `:name` where `$name` stood."""
    parameters: Mapping[str, Any]


def bind_variables(text: str, variables: Mapping[str, Any]) -> BoundText:
    """Takes the values of the variables that `text` names outside strings, quoted names and comments.

    >>> bind_variables("SELECT '$a' FROM t WHERE b = $b", {"b": "it's"})
    BoundText(text="SELECT '$a' FROM t WHERE b = :b", parameters={'b': "it's"})

    Raises:
        StatementError: there is no such variable.
        DataError: a variable's value has no counterpart in SQL.
    """
    written: list[str] = []
    values: dict[str, Any] = {}
    begin = 0
    for mark in find_parameters(text, ":$"):
        values[mark.name] = _value_of(mark, text, variables)
        written += [text[begin : mark.start], f":{mark.name}"]
        begin = mark.end
    return BoundText("".join([*written, text[begin:]]), values)


def _value_of(mark: Mark, text: str, variables: Mapping[str, Any]) -> Any:
    name = mark.name
    if name not in variables:
        written = text[mark.start : mark.end]
        raise StatementError(
            f"there is no variable {name!r} in this notebook",
            hint=f"Give it a value in a cell before: {name} = …; in quotes, '{written}' is a text.",
            **_place(mark, text),
        )
    try:
        read_parameters({name: variables[name]})
    except DataError as error:
        raise DataError(error.message, hint=error.hint, **_place(mark, text)) from None
    return variables[name]


def _place(mark: Mark, text: str) -> dict[str, Any]:
    before = text[: mark.start]
    line = before.count("\n")
    column = mark.start - (before.rfind("\n") + 1) + 1
    return {"line": line + 1, "column": column, "excerpt": text.splitlines()[line]}
