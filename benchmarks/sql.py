"""Is the dialect quick, bounded in memory, and does it answer whatever it is given?

    python benchmarks/sql.py                              # all
    python benchmarks/sql.py --only plan select           # two of them
    python benchmarks/sql.py --quick                      # a look, whose figures mean little

* `copy`: COPY of a csv file with a million rows beside DuckDB's own `read_csv` into a table, and the services' memory.
* `select`: SELECT … LIMIT 5 through gRPC, with the services in another process.
* `cached`: PREDICT of 320 rows with a base-size model, before and after their transcripts are cached.
* `explain`: the time that EXPLAIN expects a PREDICT to take, beside the time that it takes.
* `plan`: parse and plan the tutorial's statements.
* `fuzz`: 100,000 statements from a grammar of the dialect, right and slightly wrong, parsed and planned; some of them
  carried out in real services.
* `udf`: PREDICT beside DuckDB with an Arrow UDF around the same ONNX file: files decoded by threads, sorted, padded
  into batches of the size that is quickest here.
* `memory`: PREDICT of 100,000 rows of which most are cached.

Contenders are processes of their own and take turns; ratios are medians over the rounds. The audio is LibriSpeech's;
the models have random weights, which are as fast as trained ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "benchmarks")]

from serving_parts.report import Table, tell  # noqa: E402
from serving_parts.speech import find_speech  # noqa: E402
from sql_parts.settings import Settings  # noqa: E402

PARTS = ("plan", "select", "copy", "cached", "explain", "udf", "memory", "fuzz")


def main() -> None:
    """Measures, prints the tables, writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="which questions")
    parser.add_argument("--quick", action="store_true", help="a short look, whose figures mean little")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--seed", type=int, default=5, help="of what is made by chance")
    parser.add_argument("--table", type=Path, nargs="+", help="csv tables with a column audio_path")
    parser.add_argument("--json", type=Path, default=Path("sql.json"), help="where to write the figures")
    arguments = parser.parse_args()
    tables, failures = dict[str, Table](), dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        speech = find_speech(arguments.table)
        settings = Settings(speech, Path(folder), arguments.quick, arguments.rounds, arguments.seed)
        for part in arguments.only:
            tell(f"--- {part}")
            begin = time.perf_counter()
            try:
                tables[part] = import_module(f"sql_parts.{part}").measure(settings)
            except Exception as error:
                traceback.print_exc()
                failures[part] = f"{type(error).__name__}: {error}"
            tell(f"--- {part}: {time.perf_counter() - begin:.0f} s")
    for table in tables.values():
        table.print()
    for part, reason in failures.items():
        print(f"\n{part}: FAILED: {reason}")
    figures = {part: table.as_json for part, table in tables.items()}
    written = {"quick": arguments.quick, "seed": arguments.seed, "figures": figures, "failed": failures}
    arguments.json.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
