"""A statement of PostgreSQL's is stopped whenever that is asked."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from catalog_service.tables.postgres_connections import Running
from tests.postgres_server import connect


@pytest.mark.timeout(60)
def test_a_cancellation_between_two_statements_stops_the_next_one(postgres: sa.URL) -> None:
    running = Running()
    with connect(postgres) as connection:
        running.begin(connection)
        running.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(600)")
        running.end()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
