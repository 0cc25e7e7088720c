"""The metadata in SQLite, and the same in PostgreSQL where there is a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog_service.schema.database import Database, open_database
from tests.postgres_server import connect


@pytest.fixture(scope="session")
def metadata_database(postgres_database: Callable[[], sa.URL]) -> sa.URL:
    """A database for metadata, which each test empties."""
    return postgres_database()


@pytest.fixture
def postgres_url(metadata_database: sa.URL) -> str:
    """The address of an empty database."""
    with connect(metadata_database) as owner:
        tables = owner.execute("SELECT format('public.%I', tablename) FROM pg_tables WHERE schemaname = 'public'")
        if found := [name for (name,) in tables.fetchall()]:
            owner.execute(f"DROP TABLE {', '.join(found)}".encode())
    return metadata_database.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, now: datetime) -> Iterator[Database]:
    """New metadata."""
    in_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'metadata.sqlite'}" if in_file else request.getfixturevalue("postgres_url")
    opened = open_database(url, now)
    yield opened
    opened.close()
