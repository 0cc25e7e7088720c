"""What every store of tables must do; each backend's class runs all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.duckdb_store import DuckDBStore, open_duckdb_store
from catalog_service.tables.record_batches import serialise, split
from catalog_service.tables.store import TableStore
from thanosql.errors import (
    Cancelled,
    DataError,
    Overloaded,
    StatementError,
    StatementSyntaxError,
    UnknownColumn,
    UnknownTable,
)
from thanosql.types import Column, Table

NOW = datetime(2025, 3, 1, tzinfo=UTC)
LATER = datetime(2025, 3, 2, tzinfo=UTC)


def write(store: TableStore, name: str, values: dict[str, list[object]], mode: WriteMode = WriteMode.CREATE) -> None:
    batch = pa.RecordBatch.from_pydict(values)
    with store.writing(name, batch.schema, mode, NOW) as insert:
        insert(batch)


def read(store: TableStore, sql: str) -> pa.Table:
    return pa.Table.from_batches(list(store.query(sql)))


class StoreTests:
    """Subclass it with a fixture `store`."""

    def test_a_new_store_has_no_tables(self, store: TableStore) -> None:
        assert store.tables() == ()

    def test_a_table_is_described_with_postgresql_types_rows_and_time(self, store: TableStore) -> None:
        write(store, "Calls", {"id": [1, 2], "text": ["a", None], "score": [0.5, 1.0], "ok": [True, False]})
        assert store.tables() == (
            Table(
                "Calls",
                (
                    Column("id", "bigint"),
                    Column("text", "text"),
                    Column("score", "double precision"),
                    Column("ok", "boolean"),
                ),
                2,
                NOW,
            ),
        )

    def test_rows_come_in_the_order_in_which_they_went_in(self, store: TableStore) -> None:
        batch = pa.RecordBatch.from_pydict({"n": list(range(300_000))})
        with store.writing("t", batch.schema, WriteMode.CREATE, NOW) as insert:
            insert(batch)
            insert(batch)
        assert read(store, "SELECT * FROM t")["n"].to_pylist() == [*range(300_000), *range(300_000)]
        assert read(store, "SELECT max(n) AS top FROM t")["top"].to_pylist() == [299_999]

    def test_any_name_is_a_table(self, store: TableStore) -> None:
        for name in ('we"ird; DROP', "select", "통화", "main", "tables", "pg_class"):
            write(store, name, {"a": [1]})
        assert len(store.tables()) == 6
        assert read(store, 'SELECT a FROM "we""ird; DROP"').num_rows == 1
        assert read(store, 'SELECT a FROM "pg_class"').num_rows == 1

    def test_append_adds_by_name(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        write(store, "t", {"b": ["y"], "a": [2]}, WriteMode.APPEND)
        assert read(store, "SELECT a, b FROM t").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}

    def test_replace_leaves_nothing_of_the_old(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        write(store, "t", {"b": ["x"]}, WriteMode.REPLACE)
        assert read(store, "SELECT * FROM t").to_pydict() == {"b": ["x"]}

    @pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.APPEND])
    def test_a_write_that_fails_leaves_the_old_table(self, store: TableStore, mode: WriteMode) -> None:
        write(store, "t", {"a": [1]})
        batch = pa.RecordBatch.from_pydict({"a": [2]})

        def fail_half_way() -> None:
            with store.writing("t", batch.schema, mode, LATER) as insert:
                insert(batch)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail_half_way()
        assert read(store, "SELECT * FROM t").to_pydict() == {"a": [1]}
        assert store.tables()[0].updated_at == NOW

    def test_the_old_table_is_read_while_a_new_one_is_written(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        batch = pa.RecordBatch.from_pydict({"a": [2]})
        with store.writing("t", batch.schema, WriteMode.REPLACE, LATER) as insert:
            insert(batch)
            assert read(store, "SELECT a FROM t")["a"].to_pylist() == [1]
        assert read(store, "SELECT a FROM t")["a"].to_pylist() == [2]

    def test_two_writers_of_one_table_do_not_wait_for_each_other(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        schema = pa.schema({"a": pa.int64()})
        with store.writing("t", schema, WriteMode.REPLACE, LATER), pytest.raises(Overloaded) as caught:
            write(store, "t", {"a": [3]}, WriteMode.REPLACE)
        assert caught.value.retry_after is not None

    def test_drop_of_a_table_that_is_not_there_names_the_nearest(self, store: TableStore) -> None:
        write(store, "calls", {"a": [1]})
        with pytest.raises(UnknownTable) as caught:
            store.drop("cals")
        assert caught.value.hint == "Did you mean 'calls'?"
        store.drop("calls")
        assert store.tables() == ()

    def test_a_result_without_rows_is_one_empty_batch_with_its_columns(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        (batch,) = store.query("SELECT a, b FROM t WHERE a > 5")
        assert (batch.num_rows, batch.schema.names) == (0, ["a", "b"])

    def test_a_sum_of_whole_numbers_is_a_whole_number(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 2]})
        result = read(store, "SELECT sum(a) AS s, count(*) AS n, avg(a) AS m FROM t")
        assert [str(field.type) for field in result.schema] == ["int64", "int64", "double"]
        assert result.to_pandas().dtypes.astype(str).to_list() == ["int64", "int64", "float64"]

    def test_a_sum_that_is_too_large_is_an_error_and_not_a_wrong_number(self, store: TableStore) -> None:
        write(store, "t", {"a": [2**62, 2**62]})
        with pytest.raises(DataError, match="too large for bigint"):
            read(store, "SELECT sum(a) AS s FROM t")

    @pytest.mark.parametrize(
        "sql",
        [
            "DROP TABLE t",
            "INSERT INTO t VALUES (2)",
            "DELETE FROM t",
            "CREATE TABLE u AS SELECT 1",
            "SELECT 1; DROP TABLE t",
            "WITH x AS (INSERT INTO t VALUES (2) RETURNING *) SELECT * FROM x",
            "COPY t TO '/tmp/out.csv'",
            "SET memory_limit = '1TB'",
            "ATTACH 'other.db'",
            "PRAGMA database_list",
            "CALL pragma_version()",
            "LOAD httpfs",
            "INSTALL httpfs",
            "BEGIN",
            "EXPLAIN ANALYZE SELECT 1",
            "",
        ],
    )
    def test_only_one_query_passes(self, store: TableStore, sql: str) -> None:
        write(store, "t", {"a": [1]})
        with pytest.raises(StatementError):
            read(store, sql)
        assert read(store, "SELECT * FROM t").to_pydict() == {"a": [1]}
        assert [table.name for table in store.tables()] == ["t"]

    @pytest.mark.parametrize(
        "source",
        [
            "read_csv('{file}')",
            "read_text('{file}')",
            "'{file}'",
            "glob('{folder}/*')",
            "sqlite_scan('{folder}/metadata.sqlite', 'models')",
            "read_parquet('https://example.org/a.parquet')",
            "duckdb_settings()",
            "query('SELECT 1')",
            "(SELECT count(*) FROM read_blob('{file}'))",
            "secret_rows",
        ],
    )
    def test_files_network_and_python_are_out_of_reach(self, store: TableStore, tmp_path: Path, source: str) -> None:
        secret_rows = pa.table({"a": [1]})
        file = tmp_path / "secret.csv"
        file.write_text("a\n1\n")
        with pytest.raises(StatementError):
            read(store, f"SELECT * FROM {source.format(file=file, folder=tmp_path)}")
        assert secret_rows.num_rows == 1

    def test_table_functions_that_only_compute_may_be_used(self, store: TableStore) -> None:
        assert read(store, "SELECT * FROM range(3), unnest([1, 2])").num_rows == 6

    def test_a_misspelt_table_or_column_names_the_nearest(self, store: TableStore) -> None:
        write(store, "calls", {"audio_path": ["a.wav"]})
        with pytest.raises(UnknownTable, match="'cals' does not exist") as table:
            read(store, "SELECT * FROM cals")
        with pytest.raises(UnknownColumn, match="'audio_pat' does not exist") as column:
            read(store, "SELECT audio_pat FROM calls")
        assert (table.value.hint, column.value.hint) == ("Did you mean 'calls'?", "Did you mean 'audio_path'?")

    def test_a_query_that_is_no_sql_is_a_syntax_error(self, store: TableStore) -> None:
        with pytest.raises(StatementSyntaxError, match="not valid SQL"):
            read(store, "SELEC 1")

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT 1 // a FROM t", "Division by zero"),
            ("SELECT cast(b AS integer) FROM t", "'?x'?"),
            ("SELECT error('boo')", "boo"),
        ],
    )
    def test_values_that_do_not_admit_the_query_are_a_data_error(
        self, store: TableStore, sql: str, message: str
    ) -> None:
        write(store, "t", {"a": [0], "b": ["x"]})
        with pytest.raises(DataError, match=message) as caught:
            read(store, sql)
        assert "LINE" not in caught.value.message
        assert "SET " not in caught.value.message

    def test_an_error_in_the_middle_of_the_rows_is_told_too(self, store: TableStore) -> None:
        rows = iter(store.query("SELECT CASE WHEN i = 900000 THEN error('boo') ELSE i END FROM range(1000000) t(i)"))
        assert next(rows).num_rows
        with pytest.raises(DataError, match="boo"):
            list(rows)

    def test_a_query_that_takes_too_much_memory_says_so(self, store: TableStore) -> None:
        with pytest.raises(DataError, match="not enough memory"):
            read(store, "SELECT list(repeat('x', 1000) || i) FROM range(600000) r(i)")

    def test_a_running_query_is_stopped_from_another_thread(self, store: TableStore) -> None:
        query = store.query("SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 3")
        threading.Timer(0.2, query.cancel).start()
        with pytest.raises(Cancelled):
            list(query)

    def test_a_query_cancelled_before_it_starts_does_not_run(self, store: TableStore) -> None:
        query = store.query("SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 3")
        query.cancel()
        with pytest.raises(Cancelled):
            list(query)

    def test_cancelling_a_query_that_has_ended_does_nothing(self, store: TableStore) -> None:
        query = store.query("SELECT 1")
        list(query)
        query.cancel()

    def test_queries_and_writes_of_several_threads_do_not_disturb_each_other(self, store: TableStore) -> None:
        write(store, "t", {"a": list(range(100_000))})
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for _ in range(5):
                    assert read(store, "SELECT sum(a) AS s FROM t")["s"].to_pylist() == [4999950000]
                    write(store, f"t{number}", {"a": [number]}, WriteMode.REPLACE)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store.tables()) == 7


class TestDuckDBStore(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DuckDBStore]:
        opened = open_duckdb_store(tmp_path / "tables.duckdb", "256MB", threads=2)
        yield opened
        opened.close()

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
        other.close()
        assert [table.name for table in store.tables()] == ["t"]

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
