"""Finds out what is wrong with a csv file that DuckDB has refused, and says it by line."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from thanosql.errors import DataError

_SHOWN = 80


def find_fault(file: Path, path: str, delimiter: str, names: list[str]) -> DataError | None:
    """The first fault of the file, with its line; None where there is none that users need to mend."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return _find(_Numbered(lines), path, delimiter, names)


class _Numbered:
    """Lines of text that remember where the current record began."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.number = 0
        self.first = ""
        self._begins = True

    def __iter__(self) -> _Numbered:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if self._begins:
            self.start, self.first, self._begins = self.number, line, False
        return line

    def end_record(self) -> None:
        self._begins = True


def _find(lines: _Numbered, path: str, delimiter: str, names: list[str]) -> DataError | None:
    fault: DataError | None = None
    more = 0
    try:
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if row and len(row) != len(names):
                if fault is None:
                    fault = _ragged(lines, path, delimiter, names, len(row))
                else:
                    more += 1
            lines.end_record()
    except csv.Error as error:
        return fault or _quoting(lines, path, str(error))
    if fault is not None and more:
        others = f"{more} more line{' is' if more == 1 else 's are'} wrong too"
        fault = DataError(f"{fault.message}; {others}", hint=fault.hint)
    return fault


def _ragged(lines: _Numbered, path: str, delimiter: str, names: list[str], columns: int) -> DataError:
    if columns > len(names):
        hint = f'A text with {_spell(delimiter)} in it must stand in double quotes: "yes{delimiter} sir".'
    else:
        hint = "Is the line cut off, or is a separator missing? An empty field is nothing between two separators."
    return DataError(
        f"line {lines.start} of {path!r} has {_count(columns)}, the header has {_count(len(names))} "
        f"({', '.join(names)}): {_shorten(lines.first)}",
        hint=hint,
    )


def _quoting(lines: _Numbered, path: str, problem: str) -> DataError | None:
    if "field larger" in problem:  # a limit of Python's reader, not a fault of the file
        return None
    if "unexpected end" in problem:
        what = "opens a double quote that is never closed"
    else:
        what = "has something between the closing double quote of a field and the next separator"
    return DataError(
        f"line {lines.start} of {path!r} {what}: {_shorten(lines.first)}",
        hint='A double quote inside a quoted field is written twice: "she said ""yes""".',
    )


def _count(columns: int) -> str:
    return f"{columns} column{'' if columns == 1 else 's'}"


def _spell(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, f"a {delimiter!r}")


def _shorten(line: str) -> str:
    line = line.rstrip("\r\n")
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")
