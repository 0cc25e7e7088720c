"""How long until a session in local mode answers its first statement, and how much memory does it take while idle?

    python benchmarks/startup.py [--runs 5]

Each run is a process of its own, in a new workspace: `import thanosql`, then `thanosql.connect()` and `SELECT 1`, then
three idle seconds. Printed are the medians; targets: under 2 s from the start of the process, at most 400 MB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

RUN = """
import time; began = time.perf_counter()
import thanosql; imported = time.perf_counter()
session = thanosql.connect()
assert list(session.sql("SELECT 1 AS one")) == [(1,)]
answered = time.perf_counter()
time.sleep(3)
import json, psutil
me = psutil.Process()
memory = sum(each.memory_info().rss for each in (me, *me.children(recursive=True)))
print(json.dumps({"import_seconds": imported - began, "first_answer_seconds": answered - began,
                  "idle_megabytes": memory / 2**20}))
"""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("startup.json"), help="file to write the figures to")
    arguments = parser.parse_args()
    runs = []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as workspace:
            command = [sys.executable, "-c", RUN]
            done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    figures = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    print(f"import thanosql          {figures['import_seconds']:8.2f} s")
    print(f"connect() and SELECT 1   {figures['first_answer_seconds']:8.2f} s   (target: under 2)")
    print(f"memory, idle             {figures['idle_megabytes']:8.0f} MB  (target: at most 400)")
    arguments.json.write_text(json.dumps({"runs": runs, "median": figures}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
