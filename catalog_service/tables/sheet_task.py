"""What is asked of the process that reads a sheet, and what it answers, as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from thanosql import errors
from thanosql.errors import ThanoSQLError
from thanosql.types import Notice, Progress, Severity


@dataclass(frozen=True, slots=True)
class SheetTask:
    """Which sheet is to be read, and where its rows go."""

    place: Path
    """Of the workbook."""
    path: str
    """What the user calls it."""
    sheet: str
    """Its name; empty: the first that is not hidden."""
    exact: tuple[str, ...] | None
    """See `catalog_service.tables.sheet_table.SheetReading`."""
    output: Path
    """Arrow file for the rows."""

    def to_json(self) -> str:
        """For standard input."""
        return json.dumps({**asdict(self), "place": str(self.place), "output": str(self.output)})

    @classmethod
    def from_json(cls, text: str) -> SheetTask:
        """What `to_json` wrote."""
        values = json.loads(text)
        exact = values["exact"]
        return cls(
            Path(values["place"]),
            values["path"],
            values["sheet"],
            None if exact is None else tuple(exact),
            Path(values["output"]),
        )


@dataclass(frozen=True, slots=True)
class SheetContent:
    """What was read of a sheet; its rows stand in the task's file."""

    sheet: str
    """Its name."""
    names: list[str]
    """Of its columns, in their order."""
    places: list[int]
    """Column of the sheet, from 0, of each name."""
    rows: int


SheetMessage = Progress | Notice | SheetContent | ThanoSQLError
"""What the process tells; the last one is the content or an error."""


def write_line(message: SheetMessage) -> str:
    """A message as one line of JSON."""
    if isinstance(message, ThanoSQLError):
        values = {"kind": type(message).__name__, "message": message.message, "hint": message.hint}
        return json.dumps({"failure": values})
    return json.dumps({type(message).__name__.lower(): asdict(message)})


def read_line(line: str) -> SheetMessage:
    """What `write_line` wrote."""
    ((kind, values),) = json.loads(line).items()
    if kind == "failure":
        error: ThanoSQLError = getattr(errors, values["kind"])(values["message"], hint=values["hint"])
        return error
    if kind == "notice":
        return Notice(values["text"], Severity(values["severity"]))
    return SheetContent(**values) if kind == "sheetcontent" else Progress(**values)
