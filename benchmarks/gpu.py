"""Does everything run on a GPU, does it keep its promises there, and how fast is it?

    python benchmarks/gpu.py                                    # all of it: base and large, some minutes
    python benchmarks/gpu.py --quick --parts training           # a look
    python benchmarks/gpu.py --device cpu --sizes small --quick # whether the script runs, without a GPU

The weights are random, which is as fast as trained ones, and what they hear means nothing. Parts, each in a process of
its own: `training` (the same seed twice, stopped and resumed, too little memory), `export` (through the parity gate),
`serving` (a clip alone and in company, the service, bare loops), `statements` (the tutorial through a session). The
race against transformers' Trainer is `benchmarks/build.py --device cuda`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from gpu_parts.settings import CHECKOUT, SIZES, TABLES, Settings, describe_gpu, read_table, repeat_rows  # noqa: E402

PARTS = ("training", "export", "serving", "statements")


def run_part(name: str, settings: Settings, connection: Connection) -> None:
    """A part's process."""
    begin = time.perf_counter()
    try:
        figures = importlib.import_module(f"gpu_parts.{name}").measure(settings)
    except Exception as error:
        traceback.print_exc()
        figures = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
    connection.send({**figures, "GPU": describe_gpu(settings.device), "spent": round(time.perf_counter() - begin, 1)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = next(path for path in TABLES if (CHECKOUT / path).exists())
    parser.add_argument("--table", type=Path, default=CHECKOUT / default, help="csv with columns audio_path, text")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["base", "large"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows", type=int, default=480, help="recordings; fewer are taken again")
    parser.add_argument("--scratch", type=Path, help="folder that keeps the models, for the next time")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where to write the figures")
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        folder = arguments.scratch or Path(temporary)
        source, rows = read_table(arguments.table)
        workspace = Path(temporary) / "workspace"
        made = repeat_rows(rows, source, workspace, 24 if arguments.quick else arguments.rows)
        settings = Settings(arguments.device, tuple(arguments.sizes), workspace, tuple(made), folder, arguments.quick)
        for part in arguments.parts:
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=run_part, args=(part, settings, theirs), name=part)
            process.start()
            theirs.close()
            try:
                figures[part] = ours.recv()
            except EOFError:
                figures[part] = {"failed": "the process ended; its messages are above"}
            process.join(20)
            print(json.dumps({part: figures[part]}, indent=1, ensure_ascii=False), flush=True)
            arguments.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
