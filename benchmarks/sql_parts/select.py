"""How long a SELECT … LIMIT 5 takes from the call to its rows, through gRPC, with the services in another process."""

from __future__ import annotations

import statistics
import time

from serving_parts.report import Table, percentile

from sql_parts.copy import FILE, write_csv
from sql_parts.services import run_services
from sql_parts.settings import Settings

STATEMENT = "SELECT * FROM rows LIMIT 5"
MOST_MILLISECONDS = 10.0


def measure(settings: Settings) -> Table:
    """A few hundred one after the other, over a table of a million rows; the first ones are not counted."""
    rows, count = settings.of(1_000_000, 50_000), settings.of(500, 100)
    folder = settings.scratch / "select"
    folder.mkdir()
    write_csv(folder / FILE, rows, settings.seed)
    table = Table(f"{STATEMENT}, over {rows:,} rows")
    milliseconds = []
    with run_services(folder, folder / "state") as (session, _):
        session.sql(f"COPY rows FROM '{FILE}'", progress=False)
        for number in range(count + 20):
            begin = time.perf_counter()
            found = session.sql(STATEMENT, progress=False).to_arrow().num_rows
            if found != 5:
                raise RuntimeError(f"{found} rows came back")
            if number >= 20:
                milliseconds.append((time.perf_counter() - begin) * 1e3)
    note = f"of {count}, one after the other"
    table.add("round trip, median", statistics.median(milliseconds), "ms", at_most=MOST_MILLISECONDS, note=note)
    table.add("round trip, 99th percentile", percentile(milliseconds, 0.99), "ms")
    return table
