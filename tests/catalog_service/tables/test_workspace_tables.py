"""The stores of many workspaces: opened when needed, closed to make room, never two of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalog_service.tables import workspace_tables
from catalog_service.tables.duckdb_store import DuckDBStore, open_duckdb_store
from catalog_service.tables.workspace_tables import UNUSED_SECONDS, WorkspaceTables
from tests.catalog_service.tables.store_rows import read, write
from thanosql.errors import Overloaded, Unavailable

Clock = list[float]


@pytest.fixture
def clock() -> Clock:
    return [0.0]


@pytest.fixture
def tables(tmp_path: Path, store: DuckDBStore, clock: Clock) -> Iterator[WorkspaceTables]:
    """The first workspace's store, and room for two others."""

    def open_store(workspace: str) -> DuckDBStore:
        return open_duckdb_store(tmp_path / f"{workspace}.duckdb", "128MB", threads=1)

    opened = WorkspaceTables(store, open_store, most=2, clock=lambda: clock[0])
    yield opened
    opened.close()


def test_each_workspace_has_its_own_tables(tables: WorkspaceTables) -> None:
    for number, name in enumerate(("default", "a", "b")):
        with tables.of(name) as store:
            write(store, "t", {"n": [number]})
    for number, name in enumerate(("default", "a", "b")):
        with tables.of(name) as store:
            assert read(store, "SELECT n FROM t")["n"].to_pylist() == [number]


def test_the_one_unused_longest_makes_room_for_another_and_comes_back_as_it_was(
    tables: WorkspaceTables, clock: Clock
) -> None:
    for name in ("a", "b", "a", "c"):
        clock[0] += 1
        with tables.of(name) as store:
            write(store, f"t{clock[0]:g}", {"n": [1]})
    assert set(tables.open_workspaces) == {"a", "c"}
    with tables.of("b") as store:
        assert [table.name for table in store.tables()] == ["t2"]


def test_what_was_not_used_for_long_is_closed_when_another_is_opened(tables: WorkspaceTables, clock: Clock) -> None:
    with tables.of("a"):
        pass
    clock[0] = UNUSED_SECONDS
    with tables.of("b"):
        assert tables.open_workspaces == ("b",)


def test_a_call_waits_for_room_and_is_told_where_there_is_none(
    tables: WorkspaceTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> tuple[object, ...]:
        with tables.of("c") as store:
            return store.tables()

    with ExitStack() as held:
        held.enter_context(tables.of("a"))
        held.enter_context(tables.of("b"))
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(look)
            held.close()
            assert waiting.result(30) == ()
    monkeypatch.setattr(workspace_tables, "WAIT_SECONDS", 0.01)
    with tables.of("a"), tables.of("b"), pytest.raises(Overloaded, match="2 workspaces"), tables.of("d"):
        pass


def test_many_calls_at_once_open_one_store_of_each(tables: WorkspaceTables) -> None:
    def count(number: int) -> int:
        with tables.of("abc"[number % 3]) as store:
            return len(store.tables())

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(count, range(60))) == 0
    assert len(tables.open_workspaces) <= 2


def test_a_store_that_cannot_be_opened_leaves_the_way_free(
    store: DuckDBStore, open_or_fail: Callable[[str], DuckDBStore]
) -> None:
    tables = WorkspaceTables(store, open_or_fail, most=1)
    for _ in range(2):
        with pytest.raises(Unavailable), tables.of("broken"):
            pass
    with tables.of("whole") as whole:
        assert whole.tables() == ()
    tables.close()
    with pytest.raises(Unavailable, match="stopping"), tables.of("late"):
        pass


@pytest.fixture
def open_or_fail(tmp_path: Path) -> Callable[[str], DuckDBStore]:
    def open_store(workspace: str) -> DuckDBStore:
        if workspace == "broken":
            raise Unavailable("no disk")
        return open_duckdb_store(tmp_path / f"{workspace}.duckdb", "128MB", threads=1)

    return open_store
