"""The functions that score transcripts, in DuckDB: Python that counts a vector of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from thanosql.scoring_sql import COUNTERS

Count = Callable[[str, str], int]


def make_scoring_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the functions, for every cursor of the database and for as long as it is open in this process."""
    for name, count in COUNTERS.items():
        count_rows = partial(_count_rows, count)
        connection.create_function(name, count_rows, ["VARCHAR", "VARCHAR"], "BIGINT", type=PythonUDFType.ARROW)


# Not annotated with arrays: DuckDB evaluates annotations, and `pa.Array[Any]` is for type checkers only.
def _count_rows(count: Count, references: Any, hypotheses: Any) -> Any:
    """The count of each row, NULL where either side is. A pair that comes twice is counted once."""
    counted: dict[tuple[str | None, str | None], int | None] = {}
    counts: list[int | None] = []
    for pair in zip(references.to_pylist(), hypotheses.to_pylist(), strict=True):
        if pair not in counted:
            reference, hypothesis = pair
            counted[pair] = None if reference is None or hypothesis is None else count(reference, hypothesis)
        counts.append(counted[pair])
    return pa.array(counts, pa.int64())
