"""What every store must refuse: whatever reaches further than the users' tables, in queries, writes and changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import change, read, rows_of, with_rows, write, write_query
from thanosql.errors import StatementError

_NO_QUERIES = (
    "DROP TABLE t",
    "INSERT INTO t VALUES (2)",
    "DELETE FROM t",
    "UPDATE t SET a = 2",
    "TRUNCATE t",
    "CREATE TABLE u AS SELECT 1",
    "CREATE FUNCTION f(x) AS x",
    "ALTER TABLE t RENAME TO u",
    "SELECT 1; DROP TABLE t",
    "SELECT 1; SELECT 2",
    "WITH x AS (INSERT INTO t VALUES (2) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "COPY t TO '/tmp/out.csv'",
    "COPY (SELECT 1) TO '/tmp/out.csv'",
    "SET memory_limit = '1TB'",
    "RESET ALL",
    "ATTACH 'other.db'",
    "USE memory",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "LOAD httpfs",
    "INSTALL httpfs",
    "EXPORT DATABASE '/tmp/x'",
    "VACUUM",
    "CHECKPOINT",
    "PREPARE p AS SELECT 1",
    "BEGIN",
    "COMMIT",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT 1) TO '/tmp/out.csv'; --",
    "",
)


class LockTests:
    escapes: tuple[str, ...] = ()
    """What a query of the store's dialect might read beyond the tables, in FROM; {file} and {folder} are the test's."""

    telling: tuple[str, ...] = ()
    """Expressions that tell of the server, the machine or the engine, or change their state."""

    def refusals(self, store: TableStore) -> dict[str, Callable[[str], object]]:
        """Each way in which SQL runs, with a query put where one stands in it."""
        heard = {"n": [1]}
        return {
            "a query": lambda sql: read(store, sql),
            "a query with rows": lambda sql: read(store, sql, with_rows(heard=heard)),
            "CREATE TABLE AS": lambda sql: write_query(store, "made", sql),
            "INSERT": lambda sql: write_query(store, "t", sql, WriteMode.APPEND),
            "UPDATE": lambda sql: change(store, f"UPDATE t SET a = 2 WHERE EXISTS ({sql})"),
            "UPDATE to": lambda sql: change(store, f"UPDATE t SET a = (SELECT count(*) FROM ({sql}) AS q)"),
            "DELETE": lambda sql: change(store, f"DELETE FROM t WHERE a IN (SELECT 1 FROM ({sql}) AS q)"),
            "WITH": lambda sql: change(store, f"WITH q AS ({sql}) DELETE FROM t WHERE a IN (SELECT 1 FROM q)"),
        }

    def let_through(self, store: TableStore, sql: str) -> list[str]:
        """The ways in which `sql` was not refused as a mistake of the user's."""
        passed = []
        for way, run in self.refusals(store).items():
            try:
                run(sql)
            except StatementError:
                continue
            passed.append(f"{way}: {sql}")
        return passed

    def assert_as_it_was(self, store: TableStore) -> None:
        assert rows_of(store, "SELECT * FROM t") == [(1,)]
        assert [table.name for table in store.tables()] == ["t"]

    @pytest.mark.parametrize("sql", _NO_QUERIES)
    def test_only_one_query_passes(self, store: TableStore, sql: str) -> None:
        write(store, "t", {"a": [1]})
        assert self.let_through(store, sql) == []
        self.assert_as_it_was(store)

    def test_nothing_is_read_but_tables(self, store: TableStore, tmp_path: Path) -> None:
        secret_rows = pa.table({"a": [1]})
        file = tmp_path / "secret.csv"
        file.write_text("a\n1\n")
        write(store, "t", {"a": [1]})
        sources = [*self.escapes, "secret_rows", "information_schema.tables", "pg_catalog.pg_class", "other.t"]
        passed = [
            each
            for source in sources
            for each in self.let_through(store, f"SELECT 1 FROM {source.format(file=file, folder=tmp_path)}")
        ]
        assert passed == []
        self.assert_as_it_was(store)
        assert secret_rows.num_rows == 1

    def test_no_function_tells_of_the_machine_or_changes_the_engine(self, store: TableStore, tmp_path: Path) -> None:
        write(store, "t", {"a": [1]})
        passed = [
            each
            for expression in self.telling
            for each in self.let_through(store, f"SELECT {expression.format(file=tmp_path / 'x', folder=tmp_path)}")
        ]
        assert passed == []
        self.assert_as_it_was(store)

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1",
            "INSERT INTO t VALUES (2)",
            "DROP TABLE t",
            "UPDATE t SET a = 2; DROP TABLE t",
            "DELETE FROM t; DELETE FROM t",
            "DELETE FROM t RETURNING *",
            "UPDATE t SET a = 2 RETURNING a",
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            "DELETE FROM t) SELECT 1; --",
            "DELETE FROM information_schema.tables",
            "UPDATE pg_catalog.pg_class SET relname = 'x'",
            "DELETE FROM other.t",
            "TRUNCATE t",
            "",
        ],
    )
    def test_a_change_is_one_update_or_delete_of_a_table(self, store: TableStore, sql: str) -> None:
        write(store, "t", {"a": [1]})
        with pytest.raises(StatementError):
            change(store, sql)
        self.assert_as_it_was(store)

    def test_rows_that_came_along_are_the_only_others_that_a_query_reads(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        assert rows_of(store, "SELECT n, a FROM heard, t", with_rows(heard={"n": [5]})) == [(5, 1)]
        with pytest.raises(StatementError):
            read(store, "SELECT n FROM unheard", with_rows(heard={"n": [5]}))
