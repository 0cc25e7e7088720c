"""The PostgreSQL store: what every store must do, and what only this one must."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from catalog_service.catalog import WriteMode
from catalog_service.tables import postgres_tables
from catalog_service.tables.postgres_store import PostgresStore, open_postgres_store
from tests.catalog_service.tables.store_rows import NOW, change, read, rows_of, write, write_query
from tests.catalog_service.tables.store_tests import StoreTests
from tests.postgres_server import connect
from thanosql.errors import Cancelled, DataError, Overloaded, StatementError, Unavailable
from thanosql.types import EPOCH


def open_at(url: sa.URL) -> PostgresStore:
    return open_postgres_store(url.render_as_string(hide_password=False))


@pytest.fixture(scope="module")
def database(postgres_database: Callable[[], sa.URL]) -> sa.URL:
    return postgres_database()


@pytest.fixture(scope="module")
def opened(database: sa.URL) -> Iterator[PostgresStore]:
    store = open_at(database)
    yield store
    store.close()


@pytest.fixture
def store(opened: PostgresStore) -> PostgresStore:
    """A store without tables."""
    for name in opened.names():
        opened.drop(name)
    return opened


class TestPostgresStore(StoreTests):
    endless = "SELECT count(*) FROM generate_series(1, 1000000000000) a(i) WHERE i % 7 = 3"
    escapes = (
        "pg_authid",
        "pg_shadow",
        "pg_settings",
        "pg_stat_activity",
        '"pg_roles"',
        "PG_CLASS",
        "pg_catalog.pg_authid",
        "public.models",
        "thanosql_functions.anything",
        "thanosql_tables.t",
        "pg_ls_dir('/')",
        "pg_ls_logdir()",
        "pg_read_file('/etc/passwd')",
        "pg_read_binary_file('{file}')",
        "pg_catalog.pg_read_file('/etc/passwd')",
        "\"pg_read_file\"('/etc/passwd')",
        "U&\"pg_read\\005ffile\"('/etc/passwd')",
        "ROWS FROM (pg_ls_dir('/'), generate_series(1, 2)) AS q",
        "LATERAL pg_ls_dir('/') AS q",
        "pg_show_all_settings()",
        "pg_stat_get_activity(NULL)",
        "dblink('dbname=postgres', 'SELECT 1') AS q(a int)",
        "ts_stat('SELECT 1')",
        "query_to_xml('SELECT 1', true, true, '')",
        "(TABLE pg_authid) q",
        "(WITH pg_shadow AS (SELECT 1) SELECT 1) q, pg_shadow",
        "read_csv('{file}')",
        "'{file}'",
    )
    telling = (
        "current_setting('data_directory')",
        "set_config('role', 'none', false)",
        "set_config('search_path', 'public', false)",
        "SET_CONFIG /* x */ ('role', 'none', false)",
        "\"set_config\"('role', 'none', false)",
        "pg_catalog.set_config('role', 'none', false)",
        "pg_sleep(1)",
        "pg_sleep_for('1 s')",
        "pg_terminate_backend(pg_backend_pid())",
        "pg_cancel_backend(1)",
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "pg_reload_conf()",
        "lo_import('/etc/passwd')",
        "lo_from_bytea(0, 'x')",
        "lo_creat(-1)",
        "lo_export(1, '/tmp/x')",
        "pg_stat_file('/etc/passwd')",
        "nextval('s')",
        "inet_server_addr()",
        "pg_notify('a', 'b')",
        "txid_current()",
        "query_to_xml('SELECT * FROM pg_authid', true, true, '')",
        "table_to_xml('t'::regclass, true, true, '')",
        "has_table_privilege('pg_authid', 'SELECT')",
        "obj_description(1, 'pg_class')",
        "pg_relation_filepath('t'::regclass)",
        "pg_get_functiondef(1)",
        "pg_ls_waldir()",
        "$1",
        "(SELECT rolpassword FROM pg_authid LIMIT 1)",
    )

    def test_tables_are_there_for_another_service_with_the_same_address(
        self, store: PostgresStore, database: sa.URL
    ) -> None:
        write(store, "t", {"a": [1]})
        other = open_at(database)
        assert rows_of(other, "SELECT a FROM t") == [(1,)]
        other.close()
        assert rows_of(store, "SELECT a FROM t") == [(1,)]

    def test_close_stops_what_runs(self, store: PostgresStore, database: sa.URL) -> None:
        other = open_at(database)
        outcome: list[BaseException] = []
        started = threading.Event()

        def run() -> None:
            try:
                for _ in other.query(f"SELECT 1 UNION ALL {self.endless}"):
                    started.set()
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        started.wait(1)
        other.close()
        thread.join(10)
        assert [type(each) for each in outcome] == [Cancelled]

    def test_a_query_that_is_left_in_the_middle_frees_its_connection(self, store: PostgresStore) -> None:
        write(store, "t", {"a": list(range(100_000))})
        for _ in range(50):  # more than there are connections
            rows = iter(store.query("SELECT a FROM t"))
            assert next(rows).num_rows
            rows.close()  # type: ignore[attr-defined]
        assert len(rows_of(store, "SELECT a FROM t LIMIT 5")) == 5

    def test_a_table_that_is_read_all_the_time_is_not_replaced_for_ever(
        self, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_tables, "_PATIENCE_SECONDS", 0.3)
        write(store, "t", {"a": list(range(100_000))})
        rows = iter(store.query("SELECT a FROM t"))
        first = next(rows).num_rows
        for statement in (
            lambda: write(store, "t", {"a": [1]}, WriteMode.REPLACE),
            lambda: store.rename("t", "u", NOW),
            lambda: store.drop("t"),
        ):
            with pytest.raises(Overloaded, match="is being read"):
                statement()
        assert read(store, "SELECT count(*) AS n FROM t")["n"].to_pylist() == [100_000]
        assert first + sum(batch.num_rows for batch in rows) == 100_000
        store.drop("t")

    def test_a_table_that_another_program_made_is_counted(self, store: PostgresStore, database: sa.URL) -> None:
        with connect(database) as other:
            other.execute("CREATE TABLE thanosql_tables.foreign_rows AS SELECT 1::money AS price, 'x'::varchar(5) AS v")
            other.execute(f"ALTER TABLE thanosql_tables.foreign_rows OWNER TO {database.username}")
            other.execute(f"GRANT ALL ON thanosql_tables.foreign_rows TO thanosql_user_of_{database.database}")
        (table,) = store.tables()
        assert (table.rows, table.updated_at, [column.type for column in table.columns]) == (
            1,
            EPOCH,
            ["money", "text"],
        )
        assert rows_of(store, "SELECT price, v FROM foreign_rows") == [("$1.00", "x")]
        with connect(database) as other:
            other.execute("DROP TABLE thanosql_tables.foreign_rows")

    @pytest.mark.parametrize("name", ["가" * 22, "", "n" * 64])
    def test_a_name_that_postgresql_would_cut_is_refused(self, store: PostgresStore, name: str) -> None:
        with pytest.raises(StatementError, match="cannot be the name of a table"):
            write(store, name, {"a": [1]})
        with pytest.raises(StatementError, match="cannot be the name of a column"):
            write(store, "t", {name: [1]})
        assert store.tables() == ()

    def test_a_function_of_the_other_store_is_told_with_the_nearest(self, store: PostgresStore) -> None:
        with pytest.raises(StatementError, match=r"PostgreSQL.* has no function array_lengt\(") as caught:
            read(store, "SELECT array_lengt(ARRAY[1], 1)")
        assert caught.value.hint == "Did you mean 'array_length'?"
        with pytest.raises(StatementError, match=r"no function lower\(integer\)") as caught:
            read(store, "SELECT lower(1)")
        assert "cast" in caught.value.hint

    @pytest.mark.parametrize(
        "expression", ["'infinity'::timestamp", "ARRAY[[1], [2]]", "'NaN'::numeric(5, 2)", "'4000-01-01 BC'::date"]
    )
    def test_a_value_that_only_postgresql_has_is_told_with_its_column(
        self, store: PostgresStore, expression: str
    ) -> None:
        with pytest.raises(DataError, match="cannot be sent") as caught:
            read(store, f"SELECT 1 AS one, {expression} AS odd")
        assert "Cast it to text" in caught.value.hint
        assert read(store, f"SELECT ({expression})::text AS odd").num_rows == 1

    def test_values_that_arrow_has_otherwise_are_kept_as_json_or_text(self, store: PostgresStore) -> None:
        kinds = {
            "nested": pa.array([[[1], []], None]),
            "fields": pa.array([{"a": 1, "b": "하나"}, None]),
            "word": pa.array(["x", None]).dictionary_encode(),
            "length": pa.array([3_600_000_000, None], pa.duration("us")),
            "id": pa.array([2**64 - 1, None], pa.uint64()),
        }
        batch = pa.RecordBatch.from_pydict(kinds)
        with store.writing("t", batch.schema, WriteMode.CREATE, NOW) as insert:
            insert(batch)
        assert [column.type for column in store.tables()[0].columns] == [
            *("jsonb", "jsonb", "text", "interval", "numeric(20,0)")
        ]
        assert rows_of(store, "SELECT nested, fields, word, length, fields ->> 'b', id::text FROM t") == [
            ("[[1], []]", '{"a": 1, "b": "하나"}', "x", "01:00:00", "하나", "18446744073709551615"),
            (None,) * 6,
        ]

    def test_a_table_is_dropped_by_its_name_in_any_case_where_that_names_one(self, store: PostgresStore) -> None:
        for name in ("Calls", "calls", "Others"):
            write(store, name, {"a": [1]})
        store.drop("calls")
        store.drop("others")
        assert [table.name for table in store.tables()] == ["Calls"]

    def test_a_table_may_have_the_name_of_a_type(self, store: PostgresStore) -> None:
        for name in ("text", "date", "jsonb", "sum"):
            write(store, name, {"a": [1]})
        sql = "SELECT a::text, '2024-01-01'::date::text, '{}'::jsonb::text, sum(a) FROM text GROUP BY a"
        assert rows_of(store, sql) == [("1", "2024-01-01", "{}", 1)]
        assert write_query(store, "u", "SELECT cast(a AS text) AS a FROM date") == 1
        assert [column.type for table in store.tables() for column in table.columns if table.name == "u"] == ["text"]

    def test_rows_are_sampled(self, store: PostgresStore) -> None:
        write(store, "t", {"a": [1, 2, 3]})
        assert read(store, "SELECT a FROM t TABLESAMPLE bernoulli (100)").num_rows == 3

    def test_rows_are_counted_through_every_kind_of_write(self, store: PostgresStore, database: sa.URL) -> None:
        write(store, "t", {"a": [1, 2]})
        write(store, "t", {"a": [3]}, WriteMode.APPEND)
        write_query(store, "t", "SELECT a + 10 FROM t", WriteMode.APPEND)
        change(store, "UPDATE t SET a = a + 1 WHERE a > 11")
        change(store, "DELETE FROM t WHERE a < 3")
        store.rename("t", "u", NOW)
        store.rename_column("u", "a", "b", NOW)
        counted = rows_of(store, "SELECT count(*) FROM u")
        assert counted == [(store.tables()[0].rows,)] == [(4,)]
        # A reader does not count either: the comment has it.
        with connect(database) as other:
            comment = other.execute("SELECT obj_description('thanosql_tables.u'::regclass)").fetchone()
        assert comment is not None
        assert comment[0].startswith("2025-03-01T00:00:00+00:00 rows=4 ")

    def test_what_a_query_set_is_gone_with_it(self, store: PostgresStore) -> None:
        read(store, "SELECT setseed(0.5)")
        moment = read(store, "SELECT now() AS now")["now"].to_pylist()[0]
        assert abs((datetime.now(UTC) - moment).total_seconds()) < 3600
        assert rows_of(store, "SELECT timestamptz '2024-01-01 00:00+09' ::text") == [("2023-12-31 15:00:00+00",)]


def test_a_server_that_ends_is_told_and_found_again(postgres_database: Callable[[], sa.URL]) -> None:
    url = postgres_database()
    store = open_at(url)
    write(store, "t", {"a": [1]})
    rows = iter(store.query("SELECT * FROM t, generate_series(1, 1000000)"))
    next(rows)
    with connect(url) as other:
        other.execute(f"GRANT thanosql_user_of_{url.database} TO {url.username}")
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            [f"thanosql_user_of_{url.database}"],
        )
    with pytest.raises(Unavailable, match="cannot be reached"):
        list(rows)
    assert rows_of(store, "SELECT a FROM t") == [(1,)]
    store.close()
