"""Is the light client light: how long it takes to import, to its first row, and to a million rows in pandas?

    python benchmarks/client.py                        # all
    python benchmarks/client.py --only rows --rounds 9 # one part, with more turns
    python benchmarks/client.py --json client.json

* `start`: `import thanosql`, `%load_ext thanosql`, and the first row of a local SELECT after `connect()`; each in fresh
  processes, the median of them.
* `rows`: a million rows to pandas by `session.sql(…).to_pandas()` beside DuckDB's own `.df()` of the same rows: how
  many times as fast as DuckDB it is, of the ints, floats, strings and a mixture. Both take turns in one process, and
  the figure is the median of the turns; the time of the processors is told too, for a machine that is shared. The
  services of local mode run in the same process, so what they compute counts.
* `other_ways`: the same million rows by `session.stream` and by `thanosql.dbapi`.
* `small`: SELECT … LIMIT 5, one after the other.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "benchmarks")]

from serving_parts.report import Table, percentile, tell  # noqa: E402

ROWS = 1_000_000
SHAPES = {
    "ints": "SELECT i AS a, i * 7 AS b, hash(i) >> 2 AS c, i % 1000 AS d FROM numbers",
    "floats": "SELECT i / 7.0::double AS a, sqrt(i) AS b, sin(i) AS c, random() AS d FROM numbers",
    "strings": "SELECT 'clip ' || i AS path, 'the words of recording ' || i || ' as said' AS text FROM numbers",
    "mixed": "SELECT i AS id, 'clip ' || i AS path, i / 16000.0::double AS seconds, "
    "TIMESTAMP '2026-01-01' + INTERVAL (i) SECOND AS at, CASE WHEN i % 10 > 0 THEN i % 97 END AS speaker FROM numbers",
}
PARTS = ("start", "rows", "other_ways", "small")

_IMPORT = "import time; t = time.perf_counter(); import thanosql; print(time.perf_counter() - t)"
_LOAD = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
t = time.perf_counter()
shell.run_line_magic("load_ext", "thanosql")
print(time.perf_counter() - t)
"""
_FIRST_ROW = """
import sys, time
import thanosql
t = time.perf_counter()
with thanosql.connect(workspace=sys.argv[1]) as session:
    connected = time.perf_counter()
    assert len(session.sql("SELECT * FROM small LIMIT 1", progress=False)) == 1
    print(time.perf_counter() - connected, connected - t)
"""


def main() -> None:
    """Measures, prints the tables, writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="which parts")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES), help="which rows")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each shape (default: a million)")
    parser.add_argument("--json", type=Path, default=Path("client.json"), help="where to write the figures")
    options = parser.parse_args()
    os.environ["THANOSQL_PROGRESS"] = "0"
    tables = []
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        workspace = Path(folder)
        write_rows(workspace, options.shapes, options.rows)
        if "start" in options.only:
            copy_small(workspace)
            tables.append(measure_start(workspace, options.rounds))
        if set(options.only) - {"start"}:
            import thanosql

            with thanosql.connect(workspace=workspace) as session:
                if "rows" in options.only:
                    tables += [measure_rows(session, workspace, shape, options.rounds) for shape in options.shapes]
                if "other_ways" in options.only:
                    tables.append(measure_other_ways(session, workspace, options.shapes[0], options.rounds))
                if "small" in options.only:
                    tables.append(measure_small(session))
    for table in tables:
        table.print()
    print(f"\n{os.cpu_count()} processors; their load was {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    figures = {table.title: table.as_json for table in tables}
    options.json.write_text(json.dumps({"load": load, "figures": figures}, indent=1) + "\n", "utf-8")


def write_rows(workspace: Path, shapes: list[str], rows: int) -> None:
    """The rows of each shape as a Parquet file in the workspace."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW numbers AS SELECT range AS i FROM range({rows})")
        for shape in shapes:
            connection.execute(f"COPY ({SHAPES[shape]}) TO '{workspace / shape}.parquet'")
        connection.execute(f"COPY (SELECT range AS i FROM range(1000)) TO '{workspace / 'small'}.parquet'")


def copy_small(workspace: Path) -> None:
    """A small table of a workspace that nobody has open afterwards."""
    import thanosql

    with thanosql.connect(workspace=workspace) as session:
        session.sql("COPY small FROM 'small.parquet'", progress=False)


def measure_start(workspace: Path, rounds: int) -> Table:
    """Medians of fresh processes, in seconds."""
    table = Table("Start, in fresh processes")
    taken = [run(_IMPORT) for _ in range(rounds)]
    table.add("import thanosql", statistics.median(each[0] for each in taken), "s", at_most=0.3)
    taken = [run(_LOAD) for _ in range(rounds)]
    table.add("%load_ext thanosql", statistics.median(each[0] for each in taken), "s", at_most=0.5)
    taken = [run(_FIRST_ROW, str(workspace)) for _ in range(rounds)]
    table.add("first row after connect()", statistics.median(each[0] for each in taken), "s", at_most=2.0)
    table.add("connect(), local mode", statistics.median(each[1] for each in taken), "s")
    return table


def run(program: str, *arguments: str) -> list[float]:
    """The numbers that a program prints, run in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    return [float(each) for each in ended.stdout.split()[-2:]]


def measure_rows(session: Any, workspace: Path, shape: str, rounds: int) -> Table:
    """One shape's rows by both, in turns."""
    import duckdb

    session.sql(f"COPY {shape} FROM '{shape}.parquet'", progress=False)
    query = f"SELECT * FROM {shape}"
    with duckdb.connect(str(workspace / f"{shape}.duckdb")) as connection:
        connection.execute(f"CREATE TABLE {shape} AS SELECT * FROM '{workspace / shape}.parquet'")
        frame = session.sql(query, progress=False).to_pandas()
        if len(frame) != len(connection.sql(query).df()) or list(frame.columns) != connection.sql(query).columns:
            raise SystemExit(f"the two have other rows of {shape}")
        del frame
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(time_of(lambda: session.sql(query, progress=False).to_pandas()))
            theirs.append(time_of(lambda: connection.sql(query).df()))
    table = Table(f"A million rows to pandas: {shape}")
    ratio = statistics.median(his.wall / own.wall for own, his in zip(ours, theirs, strict=True))
    table.add("speed, as a share of DuckDB's .df()", ratio, at_least=0.5)
    table.add("sql().to_pandas()", statistics.median(each.wall for each in ours), "s")
    table.add("DuckDB's .df()", statistics.median(each.wall for each in theirs), "s")
    table.add("sql().to_pandas(), of the processors", statistics.median(each.cpu for each in ours), "s")
    table.add("DuckDB's .df(), of the processors", statistics.median(each.cpu for each in theirs), "s")
    return table


def measure_other_ways(session: Any, workspace: Path, shape: str, rounds: int) -> Table:
    """The rows as they come, held by nobody, and by the DB-API."""
    from thanosql import dbapi

    session.sql(f"COPY {shape} OPTIONS (if_exists='replace') FROM '{shape}.parquet'", progress=False)
    query = f"SELECT * FROM {shape}"

    def stream() -> None:
        for _ in session.stream(query):
            pass

    def fetch() -> None:
        with dbapi.connect(workspace=workspace) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            cursor.fetch_arrow_table()

    table = Table(f"A million rows by other ways: {shape}")
    for name, way in (("session.stream, batches", stream), ("dbapi, fetch_arrow_table", fetch)):
        times = [time_of(way) for _ in range(rounds)]
        table.add(name, statistics.median(each.wall for each in times), "s")
        table.add(f"{name}, of the processors", statistics.median(each.cpu for each in times), "s")
    return table


def measure_small(session: Any) -> Table:
    """The time to an answer of five rows."""
    session.sql("COPY small OPTIONS (if_exists='replace') FROM 'small.parquet'", progress=False)

    def ask() -> None:
        session.sql("SELECT * FROM small LIMIT 5", progress=False)

    for _ in range(20):
        ask()
    times = [time_of(ask) for _ in range(200)]
    table = Table("SELECT … LIMIT 5")
    table.add("median", 1000 * statistics.median(each.wall for each in times), "ms", at_most=10.0)
    table.add("95 of 100", 1000 * percentile([each.wall for each in times], 0.95), "ms")
    table.add("of the processors", 1000 * statistics.mean(each.cpu for each in times), "ms")
    return table


class Time:
    """What something took, in seconds: by the clock, and of the processors."""

    def __init__(self, wall: float, cpu: float) -> None:
        self.wall, self.cpu = wall, cpu


def time_of(work: Callable[[], object]) -> Time:
    """Runs it once; what it gives is freed outside of the time."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    given = work()
    taken = Time(time.perf_counter() - wall, time.process_time() - cpu)
    del given
    return taken


if __name__ == "__main__":
    tell("begun")
    main()
