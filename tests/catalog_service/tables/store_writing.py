"""What every store must do when tables are written, listed and dropped."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import LATER, NOW, read, write
from thanosql.errors import Overloaded, UnknownTable
from thanosql.rpc.logs import set_query_id
from thanosql.types import Column, Table


class WritingTests:
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
                written_rows=2,
            ),
        )

    def test_a_table_tells_which_query_wrote_it_last_and_how_many_rows(self, store: TableStore) -> None:
        set_query_id("the-query-1")
        try:
            write(store, "t", {"a": [1, 2, 3]})
            assert (store.tables()[0].written_by, store.tables()[0].written_rows) == ("the-query-1", 3)
            set_query_id("the-query-2")
            store.write_query("t", "SELECT 4 AS a", WriteMode.APPEND, LATER).run()
            assert (store.tables()[0].written_by, store.tables()[0].written_rows) == ("the-query-2", 1)
            set_query_id("the-query-3")
            store.change("DELETE FROM t WHERE a < 3", LATER).run()
            assert (store.tables()[0].written_by, store.tables()[0].written_rows) == ("the-query-3", 2)
        finally:
            set_query_id("")

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
