"""What every store must do when tables are written from queries, changed and renamed."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import (
    LATER,
    NOW,
    change,
    read,
    rows_of,
    with_rows,
    write,
    write_query,
)
from thanosql.errors import (
    Cancelled,
    DataError,
    NameTaken,
    Overloaded,
    StatementError,
    UnknownColumn,
    UnknownTable,
)
from thanosql.types import Column, Table


class WriteQueryTests:
    def test_a_query_becomes_a_table(self, store: TableStore) -> None:
        write(store, "calls", {"id": [2, 1], "text": ["b", None]})
        assert write_query(store, "sorted", "SELECT text, id * 10 AS tens FROM calls ORDER BY id", now=LATER) == 2
        assert rows_of(store, "SELECT * FROM sorted") == [(None, 10), ("b", 20)]
        made = next(table for table in store.tables() if table.name == "sorted")
        assert (made.columns, made.rows, made.updated_at) == (
            (Column("text", "text"), Column("tens", "bigint")),
            2,
            LATER,
        )
        assert made.written_rows == 2

    def test_rows_that_came_along_become_a_table(self, store: TableStore) -> None:
        relations = with_rows(heard={"path": ["a", "b"], "said": ["x", None]})
        assert write_query(store, "kept", "SELECT * FROM heard", relations=relations) == 2
        assert rows_of(store, "SELECT path, said FROM kept") == [("a", "x"), ("b", None)]
        assert [table.name for table in store.tables()] == ["kept"]

    def test_a_query_without_rows_becomes_a_table_without_rows(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        assert write_query(store, "u", "SELECT a, b FROM t WHERE a > 5") == 0
        assert write_query(store, "u", "SELECT a, b FROM t", WriteMode.APPEND) == 1
        assert rows_of(store, "SELECT max(a), b FROM u GROUP BY b") == [(1, "x")]

    def test_a_sum_and_a_column_of_nulls_are_kept_as_bigint_and_text(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 2]})
        write_query(store, "u", "SELECT sum(a) AS s, count(*) AS n, NULL AS nothing FROM t")
        (table,) = (each for each in store.tables() if each.name == "u")
        assert [column.type for column in table.columns] == ["bigint", "bigint", "text"]
        assert rows_of(store, "SELECT * FROM u") == [(3, 2, None)]

    def test_a_table_is_replaced_by_a_query_over_itself(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 2, 3]})
        assert write_query(store, "t", "SELECT a * 2 AS b FROM t WHERE a > 1 ORDER BY a DESC", WriteMode.REPLACE) == 2
        assert read(store, "SELECT * FROM t").to_pydict() == {"b": [6, 4]}

    def test_two_columns_of_one_name_are_refused_by_their_name(self, store: TableStore) -> None:
        with pytest.raises(StatementError, match="more than one column 'a'"):
            write_query(store, "t", "SELECT 1 AS a, 2 AS a")
        assert store.tables() == ()

    def test_rows_are_added_by_the_places_of_the_columns(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        assert write_query(store, "t", "SELECT 2 AS b, 'y' AS a", WriteMode.APPEND, now=LATER) == 1
        assert rows_of(store, "SELECT a, b FROM t ORDER BY a") == [(1, "x"), (2, "y")]
        assert store.tables()[0].updated_at == LATER

    def test_rows_are_added_to_the_columns_that_are_named(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"], "c": [0.5]})
        write_query(store, "t", "SELECT 2, 'y'", WriteMode.APPEND, columns=("C", "b"))
        assert rows_of(store, "SELECT a, b, c FROM t ORDER BY c") == [(1, "x", 0.5), (None, "y", 2.0)]

    def test_added_rows_are_cast_to_the_types_of_the_table(self, store: TableStore) -> None:
        write(store, "t", {"n": [1], "text": ["x"]})
        write_query(store, "t", "SELECT cast('7' AS text), 8", WriteMode.APPEND)
        assert rows_of(store, "SELECT n, text FROM t ORDER BY n") == [(1, "x"), (7, "8")]
        with pytest.raises(DataError, match=r"(?i)abc"):
            write_query(store, "t", "SELECT cast('abc' AS text), 8", WriteMode.APPEND)
        assert store.tables()[0].rows == 2

    @pytest.mark.parametrize(
        ("sql", "columns", "both"),
        [
            ("SELECT 1 AS x, 'y' AS y, 2 AS z", (), ("3 columns (x, y, z)", "2 columns (a, b)")),
            ("SELECT 1 AS x", (), ("1 column (x)", "2 columns (a, b)")),
            ("SELECT 1 AS x, 'y' AS y", ("b",), ("2 columns (x, y)", "1 column (b)")),
        ],
    )
    def test_a_wrong_number_of_columns_is_told_with_both_lists(
        self, store: TableStore, sql: str, columns: tuple[str, ...], both: tuple[str, str]
    ) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        with pytest.raises(StatementError) as caught:
            write_query(store, "t", sql, WriteMode.APPEND, columns=columns)
        assert all(part in caught.value.message for part in both)

    def test_a_column_that_the_table_has_not_or_that_is_named_twice_is_refused(self, store: TableStore) -> None:
        write(store, "t", {"audio_path": ["x"], "b": ["y"]})
        with pytest.raises(UnknownColumn, match="no column 'audio_pat'") as caught:
            write_query(store, "t", "SELECT 'z'", WriteMode.APPEND, columns=("audio_pat",))
        assert caught.value.hint == "Did you mean 'audio_path'?"
        with pytest.raises(StatementError, match="named twice"):
            write_query(store, "t", "SELECT 'z', 'z'", WriteMode.APPEND, columns=("b", "B"))

    def test_a_failure_leaves_the_table_as_it_was(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 0]})
        for mode in (WriteMode.REPLACE, WriteMode.APPEND):
            with pytest.raises(DataError):
                write_query(store, "t", "SELECT cast('x' || cast(a AS text) AS integer) AS a FROM t", mode, now=LATER)
        assert rows_of(store, "SELECT a FROM t") == [(1,), (0,)]
        assert store.tables()[0].updated_at == NOW

    def test_a_misspelt_table_of_the_query_names_the_nearest(self, store: TableStore) -> None:
        write(store, "calls", {"a": [1]})
        with pytest.raises(UnknownTable, match="'cals' does not exist"):
            write_query(store, "u", "SELECT * FROM cals")

    def test_a_cancelled_write_leaves_nothing(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        under_way = store.write_query("t", "SELECT 1 AS a", WriteMode.REPLACE, LATER)
        under_way.cancel()
        with pytest.raises(Cancelled):
            under_way.run()
        assert rows_of(store, "SELECT a FROM t") == [(1,)]

    def test_a_running_write_is_stopped_from_another_thread(self, store: TableStore) -> None:
        write(store, "n", {"i": list(range(30_000))})
        cross = "SELECT count(*) AS c FROM n a, n b, n c WHERE (a.i + b.i + c.i) % 7 = 3"
        under_way = store.write_query("t", cross, WriteMode.CREATE, NOW)
        threading.Timer(0.2, under_way.cancel).start()
        with pytest.raises(Cancelled):
            under_way.run()
        assert [table.name for table in store.tables()] == ["n"]

    def test_what_is_being_written_is_not_written_by_another(self, store: TableStore) -> None:
        write(store, "t", {"a": [1]})
        with store.writing("t", pa.schema({"a": pa.int64()}), WriteMode.APPEND, LATER):
            for statement in (
                lambda: write_query(store, "t", "SELECT 2 AS a", WriteMode.APPEND),
                lambda: write_query(store, "t", "SELECT 2 AS a", WriteMode.REPLACE),
                lambda: change(store, "UPDATE t SET a = 3"),
                lambda: change(store, "DELETE FROM t"),
            ):
                with pytest.raises(Overloaded) as caught:
                    statement()
                assert caught.value.retry_after is not None
        assert rows_of(store, "SELECT a FROM t") == [(1,)]


class ChangeTests:
    def test_rows_are_updated_and_counted(self, store: TableStore) -> None:
        write(store, "t", {"id": [1, 2, 3], "text": ["a", "b", None]})
        assert change(store, "UPDATE t SET text = upper(text), id = id + 10 WHERE id < 3") == 2
        assert rows_of(store, "SELECT id, text FROM t ORDER BY id") == [(3, None), (11, "A"), (12, "B")]
        assert store.tables()[0].updated_at == LATER

    def test_rows_are_deleted_and_counted(self, store: TableStore) -> None:
        write(store, "t", {"id": [1, 2, 3]})
        assert change(store, "DELETE FROM t WHERE id >= 2") == 2
        assert change(store, "DELETE FROM t WHERE id >= 2") == 0
        assert rows_of(store, "SELECT id FROM t") == [(1,)]
        assert store.tables()[0].rows == 1
        assert change(store, "DELETE FROM t") == 1

    def test_rows_that_came_along_say_what_changes(self, store: TableStore) -> None:
        write(store, "t", {"path": ["a", "b", "c"], "text": ["", "", ""]})
        heard = {"path": ["a", "c"], "said": ["one", "three"]}
        sql = "UPDATE t SET text = heard.said FROM heard WHERE heard.path = t.path"
        assert change(store, sql, with_rows(heard=heard)) == 2
        assert rows_of(store, "SELECT text FROM t ORDER BY path") == [("one",), ("",), ("three",)]
        sql = "DELETE FROM t WHERE path IN (SELECT path FROM heard)"
        assert change(store, sql, with_rows(heard=heard)) == 2
        assert rows_of(store, "SELECT path FROM t") == [("b",)]

    def test_a_failure_changes_nothing(self, store: TableStore) -> None:
        write(store, "t", {"a": [1, 2], "b": ["7", "x"]})
        with pytest.raises(DataError):
            change(store, "UPDATE t SET a = cast(b AS integer)")
        assert rows_of(store, "SELECT a FROM t ORDER BY a") == [(1,), (2,)]
        assert store.tables()[0].updated_at == NOW

    def test_what_is_not_there_is_named_with_the_nearest(self, store: TableStore) -> None:
        write(store, "calls", {"text": ["a"]})
        with pytest.raises(UnknownTable) as table:
            change(store, "DELETE FROM cals")
        with pytest.raises(UnknownColumn) as column:
            change(store, "UPDATE calls SET txt = 'b'")
        assert (table.value.hint, column.value.hint) == ("Did you mean 'calls'?", "Did you mean 'text'?")

    def test_rows_that_came_along_are_not_changed(self, store: TableStore) -> None:
        with pytest.raises(UnknownTable):
            change(store, "DELETE FROM heard", with_rows(heard={"n": [1]}))


class RenameTests:
    def test_a_table_keeps_its_rows_under_its_new_name(self, store: TableStore) -> None:
        write(store, "calls", {"a": [1]})
        store.rename("Calls" if store.sql_dialect == "duckdb" else "calls", "통화", LATER)
        assert store.tables() == (Table("통화", (Column("a", "bigint"),), 1, LATER),)
        assert rows_of(store, 'SELECT a FROM "통화"') == [(1,)]

    def test_a_column_keeps_its_values_under_its_new_name(self, store: TableStore) -> None:
        write(store, "t", {"a": [1], "b": ["x"]})
        store.rename_column("t", "b", 'my "text"', LATER)
        assert store.tables()[0].columns == (Column("a", "bigint"), Column('my "text"', "text"))
        assert store.tables()[0].updated_at == LATER
        assert rows_of(store, 'SELECT "my ""text""" FROM t') == [("x",)]

    def test_a_name_that_is_taken_or_not_there_is_told(self, store: TableStore) -> None:
        write(store, "calls", {"text": ["a"], "id": [1]})
        write(store, "others", {"a": [1]})
        with pytest.raises(NameTaken, match="'others' exists already"):
            store.rename("calls", "Others", LATER)
        with pytest.raises(UnknownTable, match="'cals' does not exist"):
            store.rename("cals", "x", LATER)
        with pytest.raises(NameTaken, match="has a column 'id' already"):
            store.rename_column("calls", "text", "ID", LATER)
        with pytest.raises(UnknownColumn, match="has no column 'txt'"):
            store.rename_column("calls", "txt", "x", LATER)
        with pytest.raises(UnknownTable, match="'cals' does not exist"):
            store.rename_column("cals", "text", "x", LATER)

    def test_a_name_may_change_the_case_of_its_letters(self, store: TableStore) -> None:
        write(store, "calls", {"text": ["a"]})
        store.rename("calls", "Calls", LATER)
        store.rename_column("Calls", "text", "Text", LATER)
        assert store.tables() == (Table("Calls", (Column("Text", "text"),), 1, LATER),)
