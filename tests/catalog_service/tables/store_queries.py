"""What every store must do when tables are queried, also with rows that come along."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import NOW, read, rows_of, with_rows, write
from thanosql.errors import Cancelled, DataError, StatementSyntaxError, UnknownColumn, UnknownTable


class QueryTests:
    endless = "SELECT count(*) FROM range(1000000000000) a(i) WHERE i % 7 = 3"
    """A query that takes hours."""

    def test_a_result_without_rows_is_one_empty_batch_with_its_columns(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        (batch,) = store.query("SELECT a, b FROM t WHERE a > 5")
        assert (batch.num_rows, batch.schema.names) == (0, ["a", "b"])

    def test_whole_numbers_are_divided_into_whole_numbers(self, store: TableStore) -> None:
        write(store, "t", {"a": [7, -7]})
        result = read(store, "SELECT a / 2 AS part, a / 2.0 AS half, sum(a) OVER () / 2 AS s FROM t ORDER BY a DESC")
        assert [tuple(row.values()) for row in result.to_pylist()] == [(3, 3.5, 0), (-3, -3.5, 0)]

    def test_a_sum_of_whole_numbers_is_a_whole_number(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 2]})
        result = read(store, "SELECT sum(a) AS s, count(*) AS n, avg(a) AS m FROM t")
        assert [str(field.type) for field in result.schema] == ["int64", "int64", "double"]
        assert result.to_pandas().dtypes.astype(str).to_list() == ["int64", "int64", "float64"]

    def test_a_sum_that_is_too_large_is_an_error_and_not_a_wrong_number(self, store: TableStore) -> None:
        write(store, "t", {"a": [2**62, 2**62]})
        with pytest.raises(DataError, match="too large for bigint"):
            read(store, "SELECT sum(a) AS s FROM t")

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

    def test_values_that_do_not_admit_the_query_are_a_data_error(self, store: TableStore) -> None:
        write(store, "t", {"a": [0], "b": ["x"]})
        for expression, message in (("1 / a", "(?i)division by zero"), ("cast(b AS integer)", "x")):
            with pytest.raises(DataError, match=message) as caught:
                read(store, f"SELECT {expression} FROM t")
            assert "LINE" not in caught.value.message
            assert "SET " not in caught.value.message

    def test_an_error_in_the_middle_of_the_rows_is_told_too(self, store: TableStore) -> None:
        batch = pa.RecordBatch.from_pydict({"a": [1] * 300_000 + [0]})
        with store.writing("t", batch.schema, WriteMode.CREATE, NOW) as insert:
            insert(batch)
        rows = iter(store.query("SELECT 1 / a AS n FROM t"))
        with pytest.raises(DataError, match=r"(?i)division by zero"):
            list(rows)

    def test_a_running_query_is_stopped_from_another_thread(self, store: TableStore) -> None:
        query = store.query(self.endless)
        threading.Timer(0.2, query.cancel).start()
        with pytest.raises(Cancelled):
            list(query)

    def test_a_query_cancelled_before_it_starts_does_not_run(self, store: TableStore) -> None:
        query = store.query(self.endless)
        query.cancel()
        with pytest.raises(Cancelled):
            list(query)

    def test_cancelling_a_query_that_has_ended_does_nothing(self, store: TableStore) -> None:
        query = store.query("SELECT 1")
        list(query)
        query.cancel()


class RelationTests:
    def test_a_query_reads_the_rows_that_came_along_in_their_order(self, store: TableStore) -> None:
        rows = {"n": list(range(300_000, 0, -1))}
        assert read(store, "SELECT n FROM heard", with_rows(heard=rows))["n"].to_pylist() == rows["n"]

    def test_rows_that_came_along_are_joined_with_tables_and_with_each_other(self, store: TableStore) -> None:
        write(store, "calls", {"path": ["a", "b"], "text": ["one", "two"]})
        relations = with_rows(r_1={"path": ["b", "a"], "said": ["to", None]}, r_2={"said": ["to"], "rank": [7]})
        sql = (
            "SELECT c.text, r_1.said, r_2.rank FROM calls c JOIN r_1 ON r_1.path = c.path "
            "LEFT JOIN r_2 ON r_2.said = r_1.said ORDER BY c.path"
        )
        assert rows_of(store, sql, relations) == [("one", None, None), ("two", "to", 7)]

    def test_a_relation_without_rows_has_its_columns(self, store: TableStore) -> None:
        empty = pa.RecordBatch.from_pylist([], schema=pa.schema({"n": pa.int64(), "t": pa.string()}))
        table = read(store, "SELECT t, n + 1 AS m FROM heard", [("heard", iter([empty]))])
        assert (table.num_rows, [str(field.type) for field in table.schema]) == (0, ["string", "int64"])

    def test_a_column_without_any_value_is_text(self, store: TableStore) -> None:
        assert rows_of(store, "SELECT v, v || 'x' FROM heard", with_rows(heard={"v": [None]})) == [(None, None)]

    def test_nobody_else_sees_the_rows_and_they_are_gone_afterwards(self, store: TableStore) -> None:
        first = iter(store.query("SELECT n FROM heard", with_rows(heard={"n": [1]})))
        with pytest.raises(UnknownTable):
            read(store, "SELECT n FROM heard")
        assert next(first).num_rows == 1
        assert read(store, "SELECT n FROM heard", with_rows(heard={"n": [5]}))["n"].to_pylist() == [5]
        assert store.tables() == ()
        with pytest.raises(UnknownTable):
            read(store, "SELECT n FROM heard")

    def test_an_error_of_what_sends_the_rows_is_told_as_it_is(self, store: TableStore) -> None:
        def broken() -> Iterator[pa.RecordBatch]:
            yield pa.RecordBatch.from_pydict({"n": [1]})
            raise DataError("the sender stumbled")

        with pytest.raises(DataError, match="the sender stumbled"):
            read(store, "SELECT n FROM heard", [("heard", broken())])
        assert store.tables() == ()

    def test_a_query_that_waits_for_rows_is_stopped_from_another_thread(self, store: TableStore) -> None:
        def slow() -> Iterator[pa.RecordBatch]:
            while not cancelled.wait(0.01):
                yield pa.RecordBatch.from_pydict({"n": list(range(200_000))})
            yield pa.RecordBatch.from_pydict({"n": [1]})

        cancelled = threading.Event()
        query = store.query("SELECT count(*) FROM heard", [("heard", slow())])

        def cancel() -> None:
            query.cancel()
            cancelled.set()

        threading.Timer(0.1, cancel).start()
        with pytest.raises(Cancelled):
            list(query)
