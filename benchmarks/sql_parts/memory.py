"""Memory of the services while PREDICT goes over 100,000 rows of which most are cached, and streams its rows."""

from __future__ import annotations

import time
from pathlib import Path

from serving_parts.report import Table, tell
from serving_parts.speech import LIGHT

from sql_parts.services import add_model, copy_rows, run_services
from sql_parts.settings import Settings
from thanosql import Session

ROWS, QUICK_ROWS = 100_000, 2_000
NEW_SHARE = 0.03
MOST_MEGABYTES = 1_500
SECONDS, RATE = 0.2, 8_000


def measure(settings: Settings) -> Table:
    """New files, each with another content; all but three in a hundred are transcribed by a first statement.

    The model is a light one, whose weights are a few megabytes: what is measured are the services.
    """
    rows = settings.of(ROWS, QUICK_ROWS)
    new = int(rows * NEW_SHARE)
    workspace = settings.scratch / "memory"
    write_recordings(workspace, rows, settings.seed)
    add_model(workspace / ".thanosql", LIGHT)
    table = Table(f"memory: PREDICT of {rows:,} rows, {new:,} of them new; all services with a light model")
    with run_services(workspace, workspace / ".thanosql") as (session, server):
        lines = (f"{_path(i)},{i}" if i >= 0 else "audio_path,number" for i in range(-1, rows))
        copy_rows(session, workspace, "clips", lines)
        idle = server.megabytes
        filled = _predict(session, f"SELECT * FROM clips WHERE number >= {new}")
        note = f"{idle:.0f} MB before"
        name = f"peak while {rows - new:,} rows are new"
        table.add(name, server.start_peak(), "MB", at_most=MOST_MEGABYTES, note=note)
        seconds, count, first = mostly = _predict(session, "SELECT * FROM clips")
        table.add("peak while most are cached", server.peak_megabytes, "MB", at_most=MOST_MEGABYTES)
        if mostly[1] != rows or filled[1] != rows - new:
            raise RuntimeError(f"{mostly[1]} and {filled[1]} rows came back")
        table.add("rows, most of them cached", count / seconds, "a second", note=f"{seconds:.1f} s in all")
        table.add("until the first rows came", first, "s", note="they are streamed")
        table.add("rows, all of them new", filled[1] / filled[0], "a second", note=f"{filled[0]:.1f} s in all")
    return table


def write_recordings(workspace: Path, count: int, seed: int) -> None:
    """So many short wav files, each with noise of its own."""
    import numpy as np
    import soundfile

    chance = np.random.default_rng(seed)
    for number in range(count):
        path = workspace / _path(number)
        if number % 1_000 == 0:
            path.parent.mkdir(parents=True)
        samples = chance.integers(-3_000, 3_000, int(SECONDS * RATE), dtype=np.int16)
        soundfile.write(path, samples, RATE)
    tell(f"{count:,} recordings")


def _path(number: int) -> str:
    return f"audio/{number // 1_000}/{number}.wav"


def _predict(session: Session, query: str) -> tuple[float, int, float]:
    """Seconds in all, rows, and seconds until the first of them."""
    begin, count, first = time.perf_counter(), 0, 0.0
    for batch in session.stream(f"PREDICT USING {LIGHT} AS {query}"):
        first = first or time.perf_counter() - begin
        count += batch.num_rows
    return time.perf_counter() - begin, count, first
