"""The DuckDB store: what every store must do, and what only this one must; and rows on their way to a client."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.duckdb_store import DuckDBStore, open_duckdb_store
from catalog_service.tables.record_batches import serialise, split
from tests.catalog_service.tables.store_rows import NOW, change, read, rows_of, write
from tests.catalog_service.tables.store_tests import StoreTests
from thanosql.errors import Cancelled, DataError
from thanosql.types import EPOCH, Column, Table


class TestDuckDBStore(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DuckDBStore]:
        opened = open_duckdb_store(tmp_path / "tables.duckdb", "256MB", threads=2)
        yield opened
        opened.close()

    escapes = (
        "read_csv('{file}')",
        "read_csv('/etc/passwd')",
        "read_text('{file}')",
        "'{file}'",
        '"{file}"',
        "'/etc/passwd'",
        "glob('{folder}/*')",
        "parquet_scan('{file}')",
        "sniff_csv('{file}')",
        "read_duckdb('{folder}/tables.duckdb')",
        "sqlite_scan('{folder}/metadata.sqlite', 'models')",
        "read_parquet('https://example.org/a.parquet')",
        "duckdb_settings()",
        "duckdb_tables",
        "duckdb_secrets()",
        "main.duckdb_tables",
        "sqlite_master",
        "pg_settings",
        "pragma_database_list",
        "pragma_table_info('t')",
        "system.main.duckdb_tables",
        "temp.main.sqlite_master",
        "query('SELECT 1')",
        "query_table('t')",
        "json_execute_serialized_sql('x')",
        "(SELECT count(*) FROM read_blob('{file}')) q",
        "(SHOW DATABASES) q",
        "(WITH duckdb_tables AS (SELECT 1) SELECT 1) q, duckdb_tables",
        "python_map_function()",
    )
    telling = (
        "current_setting('temp_directory')",
        "main.current_setting('temp_directory')",
        "getvariable('x')",
        "getenv('HOME')",
        "current_query()",
        "nextval('s')",
        "write_log('x')",
        "(SELECT content FROM read_text('{file}'))",
        "(FROM duckdb_settings() SELECT count(*))",
        "sleep_ms(1)",
    )

    def test_table_functions_that_only_compute_may_be_used(self, store: DuckDBStore) -> None:
        assert read(store, "SELECT * FROM range(3), unnest([1, 2])").num_rows == 6

    def test_a_query_that_takes_too_much_memory_says_so(self, store: DuckDBStore) -> None:
        with pytest.raises(DataError, match="not enough memory"):
            read(store, "SELECT list(repeat('x', 1000) || i) FROM range(600000) r(i)")

    def test_rows_that_come_along_go_to_the_disk_beyond_the_memory_limit(self, tmp_path: Path) -> None:
        def rows() -> Iterator[pa.RecordBatch]:
            for n in range(30):
                yield pa.RecordBatch.from_pydict({"n": [n] * 1000, "t": [os.urandom(2500).hex() for _ in range(1000)]})

        store = open_duckdb_store(tmp_path / "small.duckdb", "64MB", threads=2)
        sql = "SELECT count(*), count(DISTINCT n), min(length(t)) FROM heard"
        assert rows_of(store, sql, [("heard", rows())]) == [(30_000, 30, 5000)]
        store.close()

    def test_the_engine_reads_no_file_even_where_the_guard_would_let_it(self, store: DuckDBStore) -> None:
        with store._cursor() as cursor:
            for sql in ("FROM read_csv('/etc/passwd')", "FROM '/etc/passwd'", "ATTACH '/tmp/x.db'", "INSTALL httpfs",
                        "COPY (SELECT 1) TO '/tmp/out.csv'", "SET enable_external_access = true",
                        "SET memory_limit = '1TB'"):  # fmt: skip
                with pytest.raises(duckdb.Error):
                    cursor.execute(sql).fetchall()

    def test_tables_are_there_after_a_restart(self, tmp_path: Path) -> None:
        file = tmp_path / "kept.duckdb"
        first = open_duckdb_store(file, "256MB", threads=2)
        write(first, "t", {"a": [1]})
        first.close()
        second = open_duckdb_store(file, "256MB", threads=2)
        assert read(second, "SELECT * FROM t").to_pydict() == {"a": [1]}
        second.close()

    def test_two_sessions_of_one_process_share_the_file(self, store: DuckDBStore, tmp_path: Path) -> None:
        other = open_duckdb_store(tmp_path / "tables.duckdb", "256MB", threads=2)
        write(other, "t", {"a": [1]})
        assert [table.name for table in store.tables()] == ["t"]
        scored = "SELECT thanosql_words('a b', 'a') AS n"
        assert rows_of(other, scored) == rows_of(store, scored) == [(2,)]
        other.close()
        assert rows_of(store, scored) == [(2,)]
        assert [table.name for table in store.tables()] == ["t"]

    def test_each_session_describes_what_the_other_has_changed(self, store: DuckDBStore, tmp_path: Path) -> None:
        other = open_duckdb_store(tmp_path / "tables.duckdb", "256MB", threads=2)
        write(store, "t", {"a": [1]})
        seen = [other.tables()[0].rows]
        write(store, "t", {"a": [2, 3]}, WriteMode.APPEND)
        seen.append(other.tables()[0].rows)
        change(other, "DELETE FROM t WHERE a = 2", now=NOW)
        seen.append(store.tables()[0].rows)
        write(other, "t", {"a": [1]}, WriteMode.REPLACE)
        seen.append(store.tables()[0].rows)
        other.drop("t")
        write(other, "t", {"b": ["x"] * 5})
        seen.append(store.tables()[0].rows)
        assert seen == [1, 3, 2, 1, 5]
        assert store.tables() == other.tables()
        assert store.tables()[0].columns == (Column("b", "text"),)
        other.close()

    def test_a_table_that_another_program_made_is_described_too(self, tmp_path: Path) -> None:
        file = tmp_path / "brought.duckdb"
        with duckdb.connect(file) as program:
            program.execute("CREATE TABLE t AS SELECT range AS n FROM range(10)")
            program.execute("DELETE FROM t WHERE n < 3")
        store = open_duckdb_store(file, "256MB", threads=2)
        assert store.tables() == store.tables() == (Table("t", (Column("n", "bigint"),), 7, EPOCH),)
        store.close()

    def test_close_stops_what_runs(self, tmp_path: Path) -> None:
        opened = open_duckdb_store(tmp_path / "other.duckdb", "256MB", threads=2)
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                list(opened.query("SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 3"))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.2)
        opened.close()
        thread.join(5)
        assert [type(each) for each in outcome] == [Cancelled]

    def test_a_file_that_is_not_duckdb_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "wrong.duckdb"
        file.write_text("something else entirely, and long enough to be read as a header" * 100)
        with pytest.raises(DataError, match="not a DuckDB file"):
            open_duckdb_store(file, "256MB")


def test_a_large_batch_is_split_to_messages_of_the_limit_in_order() -> None:
    batch = pa.RecordBatch.from_pydict({"t": ["x" * 1000] * 500 + ["y" * 50_000]})
    parts = list(split(batch, limit=20_000))
    assert max(len(serialise(part)) for part in parts[:-1]) < 21_000
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([batch]))


def test_a_message_is_one_whole_stream_of_its_own_rows_only() -> None:
    batch = pa.RecordBatch.from_pydict({"t": ["x" * 1000] * 1000})
    message = serialise(batch.slice(10, 2))
    assert len(message) < 4000
    assert pa.ipc.open_stream(message).read_all().num_rows == 2
