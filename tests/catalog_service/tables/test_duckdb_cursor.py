"""A statement is stopped whenever that is asked."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from catalog_service.tables.duckdb_cursor import StoppableCursor
from catalog_service.tables.duckdb_store import open_duckdb_store

ENDLESS = "SELECT count(*) FROM range(100_000_000_000) AS t(i) WHERE hash(i) = 0"


@pytest.mark.timeout(60)
def test_a_cancellation_between_two_statements_stops_the_next_one(tmp_path: Path) -> None:
    store = open_duckdb_store(tmp_path / "tables.duckdb", "100MB", 1)
    stoppable = StoppableCursor(store)
    with stoppable.open() as cursor:
        cursor.execute("SELECT 1").fetchall()
        stoppable.cancel()
        with pytest.raises(duckdb.InterruptException):
            cursor.execute(ENDLESS).fetchall()
    store.close()
