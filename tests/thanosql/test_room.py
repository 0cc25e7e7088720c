"""A result that finds no room in memory says so, and one that is streamed needs little, however large it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.thanosql.conftest import as_rows
from thanosql.errors import DataError
from thanosql.result import Collector
from thanosql.room import LEFT_OVER, available_bytes, require_room
from thanosql.types import Event, StatementStarted

LARGE = Event(0, as_rows(text=["x" * (1 << 20)] * 70))
"""70 MiB."""


def collect(available: int | None) -> None:
    Collector(StatementStarted("", 0, "", ""), available=lambda: available).add(LARGE)


def test_rows_that_find_no_room_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="too large to be held: of 70 rows so far, and 300 MiB of memory") as caught:
        collect(300 << 20)
    assert "session.stream(" in caught.value.hint


@pytest.mark.parametrize("available", [8 << 30, None], ids=["much", "unknown"])
def test_rows_are_held_where_there_is_room_or_nobody_says(available: int | None) -> None:
    collect(available)


def test_this_machine_says_how_much_it_has() -> None:
    available = available_bytes()
    if sys.platform == "linux":
        assert available is not None
    require_room(0, 1, "held", lambda: LEFT_OVER)


STREAM = """
import sys
import psutil
import thanosql

session = thanosql.connect()
for _ in session.stream("SELECT 1 AS x"):
    pass
before = psutil.Process().memory_info().rss
most = size = 0
for batch in session.stream(f"SELECT repeat('x', 1000) AS x FROM generate_series(1, {sys.argv[1]})"):
    size += batch.nbytes
    most = max(most, psutil.Process().memory_info().rss)
print(size >> 20, (most - before) >> 20)
"""


@pytest.mark.parametrize(
    ("rows", "megabytes"),
    [pytest.param(2_200_000, 2_000, marks=pytest.mark.slow, id="2 GB"), pytest.param(800_000, 750, id="750 MB")],
)
def test_a_large_result_is_streamed_in_bounded_memory_of_client_and_server(
    rows: int, megabytes: int, tmp_path: Path
) -> None:
    # Both are in that process: its services, and the session that reads.
    run = subprocess.run(
        [sys.executable, "-c", STREAM, str(rows)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    size, grown = map(int, run.stdout.split())
    assert size > megabytes
    assert grown < 500
