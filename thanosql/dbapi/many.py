"""The same INSERT for many rows, in few statements: VALUES (:a, :b) is repeated, with a name for each value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_VALUES = 10_000
"""In one statement."""
MOST_ROWS = 2_000

_INSERT = re.compile(
    r'(?P<head>\s*INSERT\s+INTO\s+(?:"[^"]+"|\w+)\s*(?:\((?:[^()\':?]|"[^"]*")*\)\s*)?VALUES\s*)'
    r"\((?P<values>\s*(?::\w+|\?)\s*(?:,\s*(?::\w+|\?)\s*)*)\)\s*;?\s*",
    re.IGNORECASE,
)

Parameters = Mapping[str, Any] | Sequence[Any]


def join_rows(operation: str, rows: Sequence[Parameters]) -> Iterator[tuple[str, Parameters]] | None:
    """The statements that insert all `rows`, each with its parameters; None: `operation` is another kind of statement.

    >>> next(join_rows("INSERT INTO t VALUES (:a)", [{"a": 1}, {"a": 2}]))
    ('INSERT INTO t VALUES (:a_0), (:a_1)', {'a_0': 1, 'a_1': 2})
    """
    found = _INSERT.fullmatch(operation)
    if found is None:
        return None
    places = [each.strip() for each in found["values"].split(",")]
    if all(each == "?" for each in places):
        return _joined_places(found["head"], len(places), rows)
    if "?" in places:
        return None
    return _joined_names(found["head"], [each[1:] for each in places], rows)


def _joined_names(head: str, names: Sequence[str], rows: Sequence[Parameters]) -> Iterator[tuple[str, Parameters]]:
    for some in _portions(rows, len(names)):
        values: dict[str, Any] = {}
        for number, row in enumerate(some):
            values.update((f"{name}_{number}", row[name]) for name in names)  # type: ignore[call-overload]
        tuples = ("(" + ", ".join(f":{name}_{number}" for name in names) + ")" for number in range(len(some)))
        yield head + ", ".join(tuples), values


def _joined_places(head: str, width: int, rows: Sequence[Parameters]) -> Iterator[tuple[str, Parameters]]:
    for some in _portions(rows, width):
        tuples = ", ".join(["(" + ", ".join("?" * width) + ")"] * len(some))
        yield head + tuples, [value for row in some for value in row]


def _portions(rows: Sequence[Parameters], width: int) -> Iterator[Sequence[Parameters]]:
    size = max(1, min(MOST_ROWS, MOST_VALUES // width))
    return (rows[at : at + size] for at in range(0, len(rows), size))
