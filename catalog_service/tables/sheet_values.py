"""Decides what the cells of a sheet are worth in a table: their types, and how they read as text.

Excel knows what it has in a cell, so nothing is guessed from texts: a cell that holds the text `007` or `2024-01-02` is
text. A column is

* `bigint` where each cell is a whole number of at most 15 digits (Excel keeps no more), `double precision` where each
  is a number;
* `boolean`, `date` or `timestamp` where each is one (days among moments are midnight);
* `text` where it is named `text` or `audio_path`, or where its cells differ: a number is written as people write it
  (`5`, not `5.0`), a moment as ISO 8601. Times of the day and durations are text too: `08:30:00`, `36:15:00`.

An empty cell is NULL and says nothing of the type, as is one that holds nothing but spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from catalog_service.column_types import TEXT, choose_type

Cell = str | int | float | bool | datetime | date | time | timedelta
"""What a cell holds; an empty one holds the empty text."""

_MOST_DIGITS = 10**15

ARROW: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    TEXT: pa.string(),
}
"""The types that columns may have."""


def form_of(cell: Cell) -> str | None:
    """The type that a cell alone would give its column; None for an empty one.

    >>> form_of(5.0), form_of(5.5), form_of("5"), form_of(" "), form_of(date(2024, 1, 2))
    ('bigint', 'double precision', 'text', None, 'date')
    """
    if isinstance(cell, str):
        return TEXT if cell and not cell.isspace() else None
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int | float):
        return "bigint" if _is_whole(cell) else "double precision"
    if isinstance(cell, datetime):
        return "timestamp"
    return "date" if isinstance(cell, date) else TEXT


def choose_sheet_type(name: str, forms: frozenset[str]) -> str:
    """The type of a column, from the forms of its cells."""
    if forms == {"date", "timestamp"} and choose_type(name, frozenset({"date"})) != TEXT:
        return "timestamp"
    return choose_type(name, forms)


def text_of(cell: Cell, *, exact: bool = False) -> str | None:
    """A cell as text; None for an empty one.

    Args:
        cell: What it holds.
        exact: Numbers with all the digits that they have, and not with the 15 that Excel shows.

    >>> text_of(5.0), text_of(0.1 + 0.2), text_of(True), text_of(timedelta(hours=36)), text_of("")
    ('5', '0.3', 'true', '36:00:00', None)
    """
    if isinstance(cell, str):
        return cell if cell and not cell.isspace() else None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float):
        if _is_whole(cell):
            return str(int(cell))
        return repr(cell) if exact else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, timedelta):
        seconds = round(cell.total_seconds())
        sign = "-" if seconds < 0 else ""
        return f"{sign}{abs(seconds) // 3600}:{abs(seconds) // 60 % 60:02}:{abs(seconds) % 60:02}"
    return cell.isoformat()


def to_array(cells: Sequence[Cell], kind: str) -> pa.Array[Any]:
    """The cells of a column of this type, each of which fits it."""
    if kind == TEXT:
        values: list[Any] = [text_of(cell) for cell in cells]
    elif kind == "bigint":
        values = [None if isinstance(cell, str) else int(cell) for cell in cells]  # type: ignore[arg-type]
    elif kind == "timestamp":
        values = [cell if isinstance(cell, datetime) else _midnight(cell) for cell in cells]
    else:
        values = [None if isinstance(cell, str) else cell for cell in cells]
    return pa.array(values, ARROW[kind])


def cell_name(row: int, column: int) -> str:
    """What Excel calls a cell; rows and columns count from 0.

    >>> cell_name(0, 0), cell_name(9, 25), cell_name(0, 26), cell_name(0, 702)
    ('A1', 'Z10', 'AA1', 'AAA1')
    """
    return f"{_letters(column)}{row + 1}"


def column_number(letters: str) -> int:
    """The column, from 0, of its letters.

    >>> column_number("A"), column_number("AA"), column_number("XFD")
    (0, 26, 16383)
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


def _is_whole(number: float) -> bool:
    return abs(number) < _MOST_DIGITS and number == int(number)


def _midnight(cell: Cell) -> datetime | None:
    return datetime(cell.year, cell.month, cell.day) if isinstance(cell, date) else None
