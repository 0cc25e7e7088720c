"""The public compliance suite of the DB-API 2.0 (dbapi-compliance on PyPI), over a session in local mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thanosql import Session, dbapi

dbapi20: Any = pytest.importorskip("dbapi20", reason="needs the package dbapi-compliance")


@pytest.fixture(scope="class", autouse=True)
def _connect_to_the_session(request: pytest.FixtureRequest, session: Session, workspace: Path) -> None:
    """Every connection of the suite joins the services of the session, which so start once."""
    request.cls.connect_kw_args = {"workspace": workspace}


class TestCompliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
    """The suite's tests; four are written anew, each says why."""

    driver = dbapi
    # A table has the columns of a query.
    ddl1 = "create table dbapi20test_booze as select cast(null as varchar(20)) as name where false"
    ddl2 = (
        "create table dbapi20test_barflys as "
        "select cast(null as varchar(20)) as name, cast(null as varchar(30)) as drink where false"
    )

    def test_nextset(self) -> None:
        """The suite leaves to the driver how several results come about: here by several statements."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT 1 AS a, 2 AS b; SELECT 'x' AS c")
            assert cursor.fetchall() == [(1, 2)]
            assert cursor.nextset()
            assert [column[0] for column in cursor.description] == ["c"]
            assert cursor.fetchall() == [("x",)]
            assert cursor.nextset() is None
        finally:
            connection.close()

    def test_non_idempotent_close(self) -> None:
        """The suite wants the second `close` to fail, of which it says itself that reasonable persons differ about it:
        here, as with sqlite3 and psycopg, it does nothing."""
        connection = self._connect()
        connection.close()
        connection.close()

    def test_setoutputsize(self) -> None:
        """The suite leaves it to the driver what a limit does: here none, values come whole."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.setoutputsize(3)
            cursor.execute("SELECT 'a long text' AS text")
            assert cursor.fetchone() == ("a long text",)
        finally:
            connection.close()

    def test_callproc(self) -> None:
        """There are no stored procedures, and so, as PEP 249 allows, no method for them."""
        assert not hasattr(dbapi.Cursor, "callproc")
