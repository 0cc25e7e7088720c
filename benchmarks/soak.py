"""Does it run for long, with everybody at work, without a failure and without growing?

    python benchmarks/soak.py                       # half an hour
    python benchmarks/soak.py --minutes 240
    python benchmarks/soak.py --minutes 3           # a look, whose figures mean little

Four service processes (`thanosql up`) and six callers over gRPC: two who read (SELECT, a large result, LIST, EXPLAIN,
PRINT AUDIO, cached PREDICT and EVALUATE, mistakes), one who transcribes recordings never heard before, one who changes
tables, one who leaves, cancels and comes back, one who trains now and then. Memory is what each service has written
(anonymous PSS, of Linux); its growth is the mean of the last fifth of the time after warm-up (a third) against that of
the first fifth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "benchmarks")]

from serving_parts.report import Table, percentile, tell  # noqa: E402
from soak_parts.callers import Callers, prepare  # noqa: E402
from soak_parts.installation import Installation, run_installation  # noqa: E402
from soak_parts.watch import Watch  # noqa: E402

import thanosql  # noqa: E402

WARM_UP = 1 / 3
"""Share of the time."""
GROWTH = 5.0
"""Per cent."""
SPEAK_EVERY = 60.0


def main() -> None:
    """Runs, prints the tables, writes the figures; ends with 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1, help="of what callers choose by chance")
    parser.add_argument("--training-every", type=float, default=120.0, help="seconds from one training to the next")
    parser.add_argument("--tables", default="", help="postgresql://… for the users' tables; default: DuckDB")
    parser.add_argument("--database", default="", help="postgresql://… for the metadata; default: SQLite")
    parser.add_argument("--json", type=Path, default=Path("soak.json"), help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        with run_installation(Path(folder), arguments.tables, arguments.database) as installation:
            with thanosql.connect(installation.running.address, installation.running.token) as session:
                prepare(session)
            watch = Watch(installation.processes, installation.state)
            callers = Callers(installation, arguments.seed, arguments.training_every)
            seconds = _run(callers, watch, 60.0 * arguments.minutes)
        tables = [_statements(callers), _memory(installation, watch, seconds)]
    for table in tables:
        table.print()
    for failure, count in Counter(callers.failed).most_common(20):
        print(f"FAILED {count} ×: {failure}")
    looks = {service: [vars(look) for look in each] for service, each in watch.looks.items()}
    written = {
        "minutes": arguments.minutes,
        "seed": arguments.seed,
        "figures": [table.as_json for table in tables],
        "failed": callers.failed,
        "looks": looks,
    }
    arguments.json.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    sys.exit(bool(callers.failed or watch.died))


def _run(callers: Callers, watch: Watch, seconds: float) -> float:
    """Lets them work; the seconds that it took."""
    begin = time.monotonic()
    watch.start()
    callers.start()
    while (gone := time.monotonic() - begin) < seconds:
        time.sleep(min(SPEAK_EVERY, seconds - gone))
        done = sum(len(each) for each in callers.done.values())
        memory = sum(each[-1].memory for each in watch.looks.values()) / 2**20
        left = max(0.0, seconds - (time.monotonic() - begin)) / 60
        tell(f"{done} statements, {len(callers.failed)} failed, {memory:.0f} MB, {left:.0f} min left")
    gone = time.monotonic() - begin
    callers.stop()
    watch.stop()
    return gone


def _statements(callers: Callers) -> Table:
    table = Table(f"statements: {sum(map(len, callers.done.values()))}, held back {callers.held_back}")
    table.add("failed", len(callers.failed), at_most=0)
    for kind, done in sorted(callers.done.items()):
        seconds = [each for _, each in done]
        p50, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
        table.add(kind, 1_000 * p50, "ms, p50", note=f"p99 {1_000 * p99:.0f} ms, {len(done)} ×")
    return table


def _memory(installation: Installation, watch: Watch, seconds: float) -> Table:
    table = Table("memory, after warm-up")
    table.add("start of all four services", installation.starting_seconds, "s")
    table.add("services that died", len(watch.died), at_most=0)
    for service, looks in watch.looks.items():
        first, last = watch.growth(service, WARM_UP * seconds, seconds)
        note = f"{first / 2**20:.0f} → {last / 2**20:.0f} MB, peak {max(each.memory for each in looks) / 2**20:.0f}"
        note += f"; {looks[-1].files} files, {looks[-1].threads} threads"
        table.add(f"{service}, growth", 100.0 * (last / first - 1.0), "%", at_most=GROWTH, note=note)
    (_, first_size), (_, last_size) = watch.disk[0], watch.disk[-1]
    table.add("disk", last_size / 2**20, "MB", note=f"{first_size / 2**20:.0f} MB at the beginning")
    return table


if __name__ == "__main__":
    main()
