"""The same INSERT for many rows, in few statements: VALUES (:a, :b) becomes VALUES (?, ?), (?, ?), …."""

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
    ('INSERT INTO t VALUES (?), (?)', [1, 2])

    Raises:
        KeyError: a row has no value of that name.
    """
    found = _INSERT.fullmatch(operation)
    if found is None:
        return None
    places = [each.strip() for each in found["values"].split(",")]
    named = [each[1:] for each in places if each != "?"]
    if named and len(named) < len(places):
        return None
    return _join(found["head"], len(places), named, rows)


def _join(head: str, width: int, names: Sequence[str], rows: Sequence[Any]) -> Iterator[tuple[str, Parameters]]:
    """Places are shorter than names, and a text may have so many characters."""
    one = "(" + ", ".join("?" * width) + ")"
    size = max(1, min(MOST_ROWS, MOST_VALUES // width))
    for at in range(0, len(rows), size):
        some = rows[at : at + size]
        values = [row[name] for row in some for name in names] if names else [each for row in some for each in row]
        yield head + ", ".join([one] * len(some)), values
