"""What kind of values a column has, as PEP 249 tells it: type objects to compare `Cursor.description` with."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Kind:
    """A kind of column: equal to itself, and to the name of every type of it ("bigint", "text")."""

    def __init__(self, name: str, *types: str) -> None:
        self._name, self._types = name, frozenset(types)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Kind):
            return self is other
        return isinstance(other, str) and other.split("(")[0] in self._types

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


STRING = Kind("STRING", "text")
BINARY = Kind("BINARY", "bytea")
NUMBER = Kind("NUMBER", "boolean", "smallint", "integer", "bigint", "real", "double", "double precision", "numeric")
DATETIME = Kind("DATETIME", "date", "time", "timestamp", "timestamptz", "interval")
ROWID = Kind("ROWID")
"""No column is of it: rows have no ids of their own."""

Date = date
Time = time
Timestamp = datetime
Binary = bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802 - PEP 249's name
    """The day of a moment, given as seconds since 1970, where this machine is."""
    return date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> time:  # noqa: N802
    """The time of day of a moment, given as seconds since 1970, where this machine is."""
    return datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802
    """A moment, given as seconds since 1970, where this machine is."""
    return datetime.fromtimestamp(ticks)


def type_code(kind: pa.DataType) -> str:
    """PostgreSQL's name of an Arrow type, as it stands in `Cursor.description`: "bigint", "numeric(10, 2)"."""
    import pyarrow.types

    from thanosql.tables import type_name

    if pyarrow.types.is_time(kind):
        return "time"
    if pyarrow.types.is_duration(kind) or pyarrow.types.is_interval(kind):
        return "interval"
    return "double precision" if pyarrow.types.is_float64(kind) else type_name(kind)
