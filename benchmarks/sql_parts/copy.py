"""COPY of a csv file with a million rows beside DuckDB's own read_csv into a table of a database on the same disk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from serving_parts.report import Table, tell

from sql_parts.services import run_services
from sql_parts.settings import Settings
from sql_parts.turns import ratio_of, take_turns

ROWS, QUICK_ROWS = 1_000_000, 50_000
MOST_TIMES = 1.5
MOST_MEGABYTES = 1_500
FILE = "rows.csv"
WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "he",
    "was",
    "that",
    "it",
    "his",
    "her",
    "with",
    "as",
    "had",
    "for",
    "she",
    "not",
)


def measure(settings: Settings) -> Table:
    """Both write into a database on disk, in turn; then once more with the services alone, for their memory."""
    rows = settings.of(ROWS, QUICK_ROWS)
    folder = settings.scratch / "copy"
    folder.mkdir()
    write_csv(folder / FILE, rows, settings.seed)
    table = Table(f"COPY of {rows:,} rows")
    contenders = {"COPY": prepare_copy, "read_csv": prepare_read_csv}
    copy, read_csv = take_turns(contenders, (folder,), settings.rounds)
    if {copy.result, read_csv.result} != {rows}:
        raise RuntimeError(f"of {rows} rows, COPY has {copy.result} and DuckDB {read_csv.result}")
    seconds = sorted(copy.seconds)[len(copy.seconds) // 2]
    note = f"{rows / seconds:,.0f} rows/s; the file has {(folder / FILE).stat().st_size / 2**20:.0f} MB"
    table.add("COPY", seconds, "s", note=note)
    table.add("DuckDB's read_csv into a table", sorted(read_csv.seconds)[len(read_csv.seconds) // 2], "s")
    table.add("COPY takes", ratio_of(copy, read_csv), "times", at_most=MOST_TIMES, note="median of the rounds")
    with run_services(folder, folder / "alone") as (session, server):
        idle = server.megabytes
        session.sql(f"COPY rows FROM '{FILE}'", progress=False)
        note = f"{idle:.0f} MB before"
        table.add("peak memory of all services", server.peak_megabytes, "MB", at_most=MOST_MEGABYTES, note=note)
        largest, count = _read_all(session.stream("SELECT * FROM rows"))
        if count != rows:
            raise RuntimeError(f"of {rows} rows {count} came back")
        note = f"SELECT * of all rows, streamed; the largest batch has {largest} rows"
        table.add("peak memory of all services", server.peak_megabytes, "MB", at_most=MOST_MEGABYTES, note=note)
    return table


def write_csv(path: Path, rows: int, seed: int) -> None:
    """Recordings with what was said, by whom, for how long and when."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write("audio_path,text,speaker,seconds,recorded\n")
        for number in range(rows):
            text = " ".join(chance.choices(WORDS, k=12))
            when = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02} {number % 24:02}:{number % 60:02}:00"
            file.write(
                f"audio/{number // 1000}/{number}.flac,{text},{number % 977},{chance.random() * 20:.3f},{when}\n"
            )
    tell(f"{path.name}: {rows:,} rows")


def prepare_copy(folder: Path) -> Callable[[], int]:
    """The statement, through a session in local mode; the table is replaced each time."""
    import thanosql

    session = thanosql.connect(workspace=folder, state=folder / "state")
    return lambda: session.sql(f"COPY rows OPTIONS (overwrite=True) FROM '{FILE}'", progress=False).rows or 0


def prepare_read_csv(folder: Path) -> Callable[[], int]:
    """DuckDB alone, with its defaults, the names of the columns from the file."""
    import duckdb

    connection = duckdb.connect(str(folder / "bare.duckdb"))

    def run() -> int:
        connection.execute(f"CREATE OR REPLACE TABLE rows AS SELECT * FROM read_csv('{folder / FILE}')")
        (count,) = connection.execute("SELECT count(*) FROM rows").fetchall()[0]
        return int(count)

    return run


def _read_all(batches: Iterator[object]) -> tuple[int, int]:
    largest = count = 0
    for batch in batches:
        size = int(getattr(batch, "num_rows"))  # noqa: B009
        largest, count = max(largest, size), count + size
    return largest, count
