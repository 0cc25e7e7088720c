"""Rows of a result as plain values for JSON, with the types of their columns."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from thanosql.tables import type_name

if TYPE_CHECKING:
    import pyarrow as pa


def describe_columns(schema: pa.Schema) -> list[dict[str, str]]:
    """Names of the columns and their types in SQL."""
    return [{"name": column.name, "type": type_name(column.type)} for column in schema]


def read_rows(batch: pa.RecordBatch) -> Iterator[list[Any]]:
    """Each row as a list of values that JSON knows."""
    columns = [[as_json(value) for value in column.to_pylist()] for column in batch.columns]
    return (list(row) for row in zip(*columns, strict=True))


def as_json(value: Any) -> Any:
    """A value as JSON has it: dates in ISO 8601, bytes in base64, and as text what a double would round.

    >>> as_json([1.5, None]), as_json(float("nan")), as_json(b"ab")
    ([1.5, None], 'NaN', 'YWI=')
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {str(name): as_json(each) for name, each in value.items()}
    return str(value)
