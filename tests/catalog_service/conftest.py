"""A workspace, the stores over it, and the whole service with a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest

from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from catalog_service.schema.database import Database, open_database
from catalog_service.tables.copy_file import copy_file
from catalog_service.tables.duckdb_store import DuckDBStore, open_duckdb_store
from thanosql.clients import CatalogClient
from thanosql.rpc.channel import open_channel
from thanosql.types import CopyTableResult, IfExists, Notice, Progress

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'metadata.sqlite'}", NOW)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    opened = open_duckdb_store(tmp_path / "tables.duckdb", "256MB", threads=2)
    yield opened
    opened.close()


@pytest.fixture
def rows_of(store: DuckDBStore) -> Callable[[str], list[tuple[object, ...]]]:
    """The rows that a query gives, as tuples."""

    def read(sql: str) -> list[tuple[object, ...]]:
        table = pa.Table.from_batches(list(store.query(sql)))
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    return read


@pytest.fixture
def notices() -> list[str]:
    """What COPYs have told their user, beside how far they were."""
    return []


@pytest.fixture
def copy(store: DuckDBStore, workspace: Path, notices: list[str]) -> Callable[..., int]:
    """COPYs a file of the workspace into a table; how many rows came. Its clock ticks once a look."""

    def run(path: str, table: str = "calls", if_exists: IfExists = IfExists.FAIL, **options: str) -> int:
        ticks = count()
        events = copy_file(
            store,
            workspace,
            table,
            path,
            if_exists,
            memory_limit="256MB",
            threads=2,
            now=NOW,
            clock=lambda: float(next(ticks)),
            **options,
        )
        *before, result = events
        assert all(isinstance(each, Progress | Notice) for each in before)
        notices.extend(each.text for each in before if isinstance(each, Notice))
        assert isinstance(result, CopyTableResult)
        return result.rows

    return run


@pytest.fixture
def load(copy: Callable[..., int], workspace: Path) -> Callable[..., int]:
    """Writes `content` to a file of the workspace and COPYs it; how many rows came."""

    def write(
        content: str | bytes, path: str = "calls.csv", table: str = "calls", if_exists: IfExists = IfExists.FAIL
    ) -> int:
        file = workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return copy(path, table, if_exists)

    return write


@pytest.fixture
def config(workspace: Path) -> CatalogConfig:
    return CatalogConfig(
        port=0, workspace=workspace, state=workspace / ".thanosql", memory_limit="256MB", query_threads=2, grace=1.0
    )


@pytest.fixture
def client(config: CatalogConfig) -> Iterator[CatalogClient]:
    server = start(config)
    with open_channel(server.address) as channel:
        yield CatalogClient(channel, server.address)
    server.stop()
