"""The functions that score transcripts, in DuckDB: Python that counts a vector of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import duckdb
import pyarrow as pa

from thanosql.scoring_sql import COUNTERS

Count = Callable[[str, str], int]


def make_scoring_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the functions, for every cursor of the database and for as long as it is open in this process."""
    for name, count in COUNTERS.items():
        connection.create_function(name, partial(_count_rows, count), ["VARCHAR", "VARCHAR"], "BIGINT", type="arrow")  # type: ignore[arg-type]


def _count_rows(count: Count, references: pa.ChunkedArray, hypotheses: pa.ChunkedArray) -> pa.Array:
    """The count of each row, NULL where either side is. A pair that comes twice is counted once."""
    counted: dict[tuple[str | None, str | None], int | None] = {}
    counts: list[int | None] = []
    for pair in zip(references.to_pylist(), hypotheses.to_pylist(), strict=True):
        if pair not in counted:
            reference, hypothesis = pair
            counted[pair] = None if reference is None or hypothesis is None else count(reference, hypothesis)
        counts.append(counted[pair])
    return pa.array(counts, pa.int64())
