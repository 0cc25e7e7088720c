"""DuckDB's failures in words for the user."""

from __future__ import annotations

import duckdb

from catalog_service.tables.duckdb_errors import to_query_error, to_write_error
from thanosql.errors import DataError

FULL = duckdb.TransactionException(
    'TransactionContext Error: Failed to commit: Could not write file "tables.duckdb.wal": No space left on device'
)


def test_a_commit_that_found_the_disk_full_says_so() -> None:
    for error in (to_write_error(FULL, "t"), to_query_error(FULL, ())):
        assert isinstance(error, DataError)
        assert error.message.startswith("the disk refused")
        assert error.hint == "Is it full? Nothing was changed."
