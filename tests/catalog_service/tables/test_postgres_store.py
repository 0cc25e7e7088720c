"""The PostgreSQL store: what every store must do, and what only this one must."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from catalog_service.tables.postgres_store import PostgresStore, open_postgres_store
from tests.catalog_service.tables.store_tests import StoreTests


@pytest.fixture(scope="session")
def opened(postgres_database: Callable[[], sa.URL]) -> Iterator[PostgresStore]:
    store = open_postgres_store(postgres_database().render_as_string(hide_password=False))
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
    whole_division = "1 / a"
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
