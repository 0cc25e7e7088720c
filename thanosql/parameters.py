"""Parameters of a text: what a caller may give for `:name` and `?`, as plain values of a few types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from os import PathLike, fspath
from typing import Any

from thanosql.errors import DataError

Single = None | bool | int | float | Decimal | str | bytes | date | time | datetime | timedelta
Value = Single | tuple[Single, ...]
"""What stands for a parameter; a tuple for a list, as in `IN :names`."""

GivenParameters = Mapping[str, Any] | Sequence[Any]
"""What callers give: values by the names in the text (`:name`), or in the order of its `?`."""

_SINGLE = (bool, int, float, Decimal, str, bytes, date, time, datetime, timedelta)
_LISTS = (list, tuple, set, frozenset)
MOST_VALUES = 20_000
"""In one text, those in lists included."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value."""

    name: str
    """Of `:name`; empty: its place among the others says which `?` it is for."""
    value: Value = field(repr=False)


def read_parameters(given: GivenParameters | None) -> tuple[Parameter, ...]:
    """The parameters that a caller gives, with numpy's and pandas's values as plain ones.

    >>> read_parameters({"speaker": "anna", "longest": 12.5})[0].name
    'speaker'

    Raises:
        DataError: a value is of a type that has no counterpart in SQL, or there are too many.
    """
    if given is None:
        return ()
    if isinstance(given, str | bytes) or not isinstance(given, Mapping | Sequence):
        raise DataError(
            f"parameters are given as {type(given).__name__}",
            hint="Give a dictionary for :name, {'name': value}, or a list for ?, [value].",
        )
    pairs = list(given.items()) if isinstance(given, Mapping) else [("", value) for value in given]
    for name, _ in pairs:
        if not isinstance(name, str) or (isinstance(given, Mapping) and not name):
            raise DataError(f"the name of a parameter is {name!r}", hint="It is the word behind the colon in :name.")
    read = tuple(
        Parameter(name, _read(value, f":{name}" if name else f"the {number}. ?"))
        for number, (name, value) in enumerate(pairs, 1)
    )
    count = sum(len(each.value) if isinstance(each.value, tuple) else 1 for each in read)
    if count > MOST_VALUES:
        hint = "Put them into a table: write a file, upload it and COPY it."
        raise DataError(f"{count:,} values are given as parameters, more than {MOST_VALUES:,}", hint=hint)
    return read


def _read(value: Any, whose: str) -> Value:
    if hasattr(value, "tolist") and not isinstance(value, _SINGLE):  # numpy's arrays and scalars, and pandas's series
        value = value.tolist()
    if isinstance(value, _LISTS):
        return tuple(_read_single(each, whose) for each in value)
    return _read_single(value, whose)


def _read_single(value: Any, whose: str) -> Single:
    if hasattr(value, "item") and not isinstance(value, _SINGLE):
        value = value.item()
    if value is None or type(value).__name__ in ("NaTType", "NAType"):  # pandas's names for nothing
        return None
    if isinstance(value, PathLike):
        value = fspath(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, _SINGLE):
        raise DataError(
            f"the value of {whose} is a {type(value).__name__}, which has no counterpart in SQL",
            hint="Values are None, bool, int, float, Decimal, str, bytes, date, time, datetime, timedelta, and lists "
            "of these.",
        )
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            message = f"the value of {whose} is no text: it holds half a character at place {error.start + 1}"
            raise DataError(message, hint="Decode its bytes with the encoding that they have.") from None
        if "\0" in value:
            message = f"the value of {whose} holds the character NUL, which no text in a table can"
            raise DataError(message, hint="Take it out: value.replace('\\0', '').")
    return value
