"""The connection that reads files for COPY: a DuckDB of its own, apart from the users' tables."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from catalog_service.tables.pace import EVERY_SECONDS, Clock, Pace
from thanosql.types import Notice, Progress, Table

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class File:
    """The file, or the folder of recordings, that a COPY reads."""

    place: Path
    """Where it is, under the workspace root."""
    path: str
    """What the user calls it."""
    append_to: Table | None
    """The table whose columns it must have; None: it makes the columns."""
    clock: Clock
    root: Path = Path()
    """The workspace root."""
    audio_col: str = ""
    """Of a folder: the column with the paths of the recordings; empty: audio_path."""
    sheet: str = ""
    """Of a workbook: the sheet that is read; empty: the first that is not hidden."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A checked file: the query that gives its rows as they go into the table."""

    sql: str
    rows: int
    """How many there are; of a guess: how many there may be."""
    careful: Callable[[], Generator[Progress, None, Selection]] | None = None
    """Where `sql` is a guess, from the first rows, that spares a reading of the whole file: what makes a selection that
    is none. It is asked when the guess cannot be read to its end, or when the last column of a row, which is no column
    of the table, is not true."""


Prepare = Callable[[Connection, File], Generator[Progress | Notice, None, Selection]]
"""Checks a file and decides its types; says how far it is meanwhile, and what the user should know."""


def open_reader(memory_limit: str, threads: int) -> Connection:
    """A connection that holds no data, for one COPY."""
    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
    }
    if threads > 0:
        settings["threads"] = str(threads)
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    # Without a progress bar DuckDB does not count how far it is; in a Jupyter kernel it would draw it.
    if "ipykernel" in sys.modules:
        turn_progress_bar_off(connection)
    else:
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
    return connection


def turn_progress_bar_off(connection: Connection) -> None:
    """Keeps DuckDB from drawing below the user's cell, as it does by itself in a Jupyter kernel that has ipywidgets."""
    # Asked first: in a kernel without ipywidgets it is off, and setting it, to whatever, is an error.
    ((drawn,),) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if drawn:
        connection.execute("SET enable_progress_bar = false")


def fetch_with_progress(
    connection: Connection, sql: str, file: File, phase: str
) -> Generator[Progress, None, list[tuple[Any, ...]]]:
    """Runs a query that goes through the whole file; closing the generator interrupts it."""
    answer: list[list[tuple[Any, ...]]] = []
    failure: list[Exception] = []

    def fetch() -> None:
        try:
            answer.append(connection.execute(sql).fetchall())
        except Exception as error:
            failure.append(error)

    total = file.place.stat().st_size
    pace = Pace(phase, "bytes", total, file.clock)
    thread = threading.Thread(target=fetch, name="copy-check")
    thread.start()
    try:
        thread.join(EVERY_SECONDS)
        while thread.is_alive():
            yield from pace.report(total * max(0.0, connection.query_progress()) / 100)
            thread.join(EVERY_SECONDS)
    finally:
        while thread.is_alive():
            connection.interrupt()
            thread.join(0.05)
    if failure:
        raise failure[0]
    return answer[0]


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(place: Path) -> str:
    """A path as SQL writes it, where DuckDB would take `*`, `?` and `[` for patterns."""
    return literal("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(place)))


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def struct_literal(types: Sequence[tuple[str, str]]) -> str:
    """Names and types as `read_csv` and `read_json` take them."""
    return "{" + ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types) + "}"
