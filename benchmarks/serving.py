"""How does inference_service do under load, beside its peers?

    python benchmarks/serving.py                                  # all, about twelve minutes on two cores
    python benchmarks/serving.py waste overhead --quick           # a look at two of them
    python benchmarks/serving.py overhead --triton /path/to/venv --litserve /path/to/venv --mlserver /path/to/venv

The service runs as a process of its own, and so do the callers of single requests; CPU and memory are the server's.
Lengths and audio are LibriSpeech's; the model is wav2vec2-base with random weights, which are as fast as trained ones;
where only the number of clips counts, it is a light one, some seventy times faster.

* `waste`: what is computed for padding, as a share of the real seconds of audio, while thousands of clips of mixed
  lengths wait; for a plan that batches (by settings) and for the plan that was calibrated here. Triton gets ragged
  batches, which its model pads.
* `overhead`: CPU time of the server per request of the Open Inference Protocol, with a model that gives its input
  back: what everything but the model costs. Beside it a bare grpc.aio server that sends the input back, and peers.
* `interactive`: how long a caller waits who sends one clip of about 5 s after the other, alone and while 256 rows of a
  bulk stream are in flight. A running batch cannot be interrupted, so one capped batch may come before it.
* `overload`: answers in time per second when requests arrive at 1 to 10 times the rate that can be served, each with a
  deadline, whether or not the earlier ones were answered.
* `throughput`: seconds of audio a second of a bulk stream, as a share of the best bare loop on the same engine, files
  read and texts made in both.
* `memory`: what the service's process alone holds at its peak under bulk load, and what 10,000 requests leave behind,
  glibc told to give back at once what is freed.

What is above or below its target is marked; a measurement that fails says so, and the others go on.

Peers are optional, each in a virtual environment of its own, and never a dependency of the product:

    python3 -m venv triton && triton/bin/pip install nvidia-pytriton onnxruntime
    python3 -m venv litserve && litserve/bin/pip install litserve
    python3 -m venv mlserver && mlserver/bin/pip install mlserver
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

from serving_parts.report import Table, tell
from serving_parts.settings import Settings
from serving_parts.speech import find_speech

PARTS = ("waste", "overhead", "interactive", "overload", "throughput", "memory")
PEERS = ("triton", "litserve", "mlserver")


PART_WITHIN = 420
"""Seconds after which a measurement is given up, so that the others have their turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a short look, whose figures mean little")
    parser.add_argument("--table", type=Path, nargs="+", help="csv tables with a column audio_path")
    parser.add_argument("--models", type=Path, help="folder to keep the models and their calibration in")
    parser.add_argument("--json", type=Path, default=Path("serving.json"), help="where to write the figures")
    for peer in PEERS:
        parser.add_argument(f"--{peer}", type=Path, help=f"virtual environment that has {peer}")
    arguments = parser.parse_args()
    parts = arguments.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGALRM, give_up)
    tables, failures = dict[str, Table](), dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        settings = Settings(
            speech=find_speech(arguments.table),
            state=(arguments.models or Path(folder) / "state").resolve(),
            scratch=Path(folder),
            is_quick=arguments.quick,
            **{peer: getattr(arguments, peer) and getattr(arguments, peer).absolute() for peer in PEERS},
        )
        for part in parts:
            tell(f"--- {part}")
            begin = time.perf_counter()
            signal.alarm(PART_WITHIN)
            try:
                tables[part] = import_module(f"serving_parts.{part}").measure(settings)
            except Exception as error:
                traceback.print_exc()
                failures[part] = f"{type(error).__name__}: {error}"
            finally:
                signal.alarm(0)
            tell(f"--- {part}: {time.perf_counter() - begin:.0f} s")
    for table in tables.values():
        table.print()
    for part, reason in failures.items():
        print(f"\n{part}: FAILED: {reason}")
    figures = {part: table.as_json for part, table in tables.items()}
    arguments.json.write_text(
        json.dumps({"quick": arguments.quick, "figures": figures, "failed": failures}, indent=1) + "\n", "utf-8"
    )


def give_up(number: int, frame: object) -> None:  # noqa: ARG001
    raise TimeoutError(f"it took longer than {PART_WITHIN} s")


if __name__ == "__main__":
    main()
