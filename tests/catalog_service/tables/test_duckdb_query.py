"""How many rows DuckDB hands over at once."""

from __future__ import annotations

import duckdb
import pytest

from catalog_service.tables.duckdb_query import BATCH_ROWS, rows_at_once
from catalog_service.tables.record_batches import MESSAGE_BYTES


@pytest.mark.parametrize("types", [["BIGINT"] * 4, ["DOUBLE", "DATE", "BOOLEAN"], ["TIMESTAMP"], ["SMALLINT"] * 40])
def test_numbers_come_in_batches_that_fill_a_message_and_fit_in_one(types):
    rows = rows_at_once(types)
    columns = ", ".join(f"CAST(NULL AS {kind}) AS c{n}" for n, kind in enumerate(types))
    with duckdb.connect() as connection:
        batch = next(connection.sql(f"SELECT {columns} FROM range({rows})").to_arrow_reader(rows))
    assert batch.num_rows == rows
    assert batch.nbytes <= MESSAGE_BYTES
    assert rows == 262_144 or batch.nbytes > MESSAGE_BYTES / 2


def test_texts_may_be_long_and_come_in_small_batches():
    assert rows_at_once(["BIGINT", "VARCHAR"]) == BATCH_ROWS
    assert rows_at_once([]) >= BATCH_ROWS
