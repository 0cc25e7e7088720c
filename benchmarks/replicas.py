"""What does PREDICT gain by several inference services, what does balancing cost, and what does the loss of one?

    python benchmarks/replicas.py                                    # 1, 2 and 4 services on this machine
    python benchmarks/replicas.py --replicas 1 2 --rows 200          # a quick look
    python benchmarks/replicas.py --kill                             # and kill one of two in the middle

Every service is a process of its own with `--threads` threads, over the same recordings and the same exported graph
(wav2vec2-base with random weights, as fast as a trained one). Rows of the table:

* `direct`: one service, named by its address: a single stream with all recordings.
* `balanced N`: N services in a list: a stream to each, recordings dealt out in windows.
* `killed`: two services, one killed (SIGKILL) when a third is done; the seconds from then to the end, against what the
  other one needs for the same recordings alone.

Services that share cores share their speed: on a machine with fewer than N times `--threads` cores the table shows what
balancing costs (`direct` against `balanced 1`), and nothing of what replicas gain.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
MODEL = "benchmark"
PREDICT = f"PREDICT USING {MODEL} OPTIONS (cache=False) AS SELECT * FROM recordings"


@dataclass(frozen=True)
class Run:
    """One PREDICT."""

    contender: str
    seconds: float
    rows: int
    audio_seconds: float
    seconds_after_kill: float = 0.0
    rows_after_kill: int = 0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, default=400, help="recordings, made from the tutorial's")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of each service")
    parser.add_argument("--small", action="store_true", help="a graph forty times lighter: the cost of balancing shows")
    parser.add_argument("--kill", action="store_true", help="kill one of two services in the middle, too")
    parser.add_argument("--json", type=Path, default=Path("replicas.json"), help="file to write the figures to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        workspace = Path(folder)
        audio_seconds = write_recordings(workspace, arguments.rows)
        export_model(workspace / ".thanosql", small=arguments.small)
        catalog = start(stack, "catalog", workspace)
        most = max([2 if arguments.kill else 1, *arguments.replicas])
        inference = [start(stack, "inference", workspace, "--threads", str(arguments.threads)) for _ in range(most)]
        predict = prepare(stack, workspace, catalog[1], audio_seconds)
        addresses = [address for _, address in inference]
        for address in addresses:  # the model is loaded, and measured once
            predict("warm", address)
        contenders = {"direct": addresses[0]}
        contenders |= {f"balanced {count}": ",".join([*addresses[:count], ""]) for count in arguments.replicas}
        runs = [predict(name, address) for _ in range(arguments.rounds) for name, address in contenders.items()]
        if arguments.kill:
            process = inference[0][0]
            both = ",".join(addresses[:2])
            runs.append(predict("killed", both, arguments.rows // 3, lambda: process.send_signal(signal.SIGKILL)))
            runs.append(predict("the other alone", addresses[1]))
    print(f"{os.cpu_count()} cores, {arguments.threads} threads a service, {arguments.rows} recordings, "
          f"{audio_seconds:.0f} s of audio\n")  # fmt: skip
    print(f"{'':18}{'seconds':>9}{'audio s/s':>11}{'against direct':>16}")
    direct = median(runs, "direct")
    for name in dict.fromkeys(run.contender for run in runs):
        seconds = median(runs, name)
        print(f"{name:18}{seconds:9.2f}{audio_seconds / seconds:11.1f}{direct / seconds:15.2f}x")
    for run in runs:
        if run.rows_after_kill:
            alone = median(runs, "the other alone") * run.rows_after_kill / arguments.rows
            print(
                f"\nkilled with {run.rows_after_kill} rows to go: done {run.seconds_after_kill:.2f} s later;", end=" "
            )
            print(f"the other one alone needs {alone:.2f} s for as many")
    figures = {"cores": os.cpu_count(), "threads": arguments.threads, "runs": [asdict(run) for run in runs]}
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def median(runs: Sequence[Run], contender: str) -> float:
    """Seconds of a contender."""
    return statistics.median(run.seconds for run in runs if run.contender == contender)


def write_recordings(workspace: Path, count: int) -> float:
    """Recordings of different lengths, no two alike, and their table; gives their seconds."""
    import numpy as np
    import soundfile

    from thanosql.audio import read_audio

    sources = sorted((CHECKOUT / "tutorial_data" / "librispeech_data").glob("*.flac"))
    (workspace / "audio").mkdir()
    random = np.random.default_rng(7)
    seconds, lines = 0.0, ["audio_path"]
    for number in range(count):
        samples = read_audio(sources[number % len(sources)])
        samples = samples + random.normal(scale=1e-4, size=len(samples)).astype(np.float32)
        soundfile.write(workspace / "audio" / f"{number:05d}.flac", samples, 16_000)
        seconds += len(samples) / 16_000
        lines.append(f"audio/{number:05d}.flac")
    (workspace / "recordings.csv").write_text("\n".join([*lines, ""]), "utf-8")
    return seconds


def export_model(state: Path, *, small: bool) -> None:
    """Version 1 of the model in the store: random weights, wav2vec2-base's shape or a light one."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from trainer_service.bases.checkpoints import Checkpoint
    from trainer_service.export.export import new_description, write_version

    bundled = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    light = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 384,
             "conv_dim": (96,) * 7, "num_conv_pos_embedding_groups": 4}  # fmt: skip
    torch.manual_seed(7)
    # Random weights of the usual size say the same of every frame.
    config = Wav2Vec2Config(vocab_size=32, pad_token_id=0, initializer_range=0.1, **(light if small else {}))
    checkpoint = Checkpoint(
        Wav2Vec2ForCTC(config),
        Wav2Vec2CTCTokenizer.from_pretrained(bundled),
        Wav2Vec2FeatureExtractor.from_pretrained(bundled),
    )
    description = new_description(MODEL, 1, class_name="Benchmark", base="random", report={})
    write_version(state / "models", checkpoint, description)


def start(stack: ExitStack, service: str, workspace: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """A service in a process of its own, ended with the stack; its process and address."""
    command = [sys.executable, "-m", f"{service}_service", "--port", "0", "--workspace", str(workspace)]
    process = subprocess.Popen(
        [*command, "--state", str(workspace / ".thanosql"), *options],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stderr is not None
    for line in process.stderr:
        if "listening on " in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would stop when the pipe is full
            return process, line.split("listening on ")[1].split()[0]
    raise SystemExit(f"{service}_service did not start")


def prepare(stack: ExitStack, workspace: Path, catalog: str, audio_seconds: float) -> Callable[..., Run]:
    """What runs PREDICT by the services of an address, and measures it."""
    from query_service.__main__ import start as start_query
    from query_service.config import QueryConfig
    from query_service.running.arrow import count_rows
    from thanosql.clients import CatalogClient, QueryClient
    from thanosql.rpc.channel import open_channel
    from thanosql.types import IfExists, Model, Progress, Rows

    client = CatalogClient(stack.enter_context(open_channel(catalog)))
    client.register_model(Model(MODEL, 1, "Benchmark", "random"))
    list(client.copy_table("recordings", "recordings.csv", IfExists.FAIL))

    def predict(name: str, address: str, at: int = 0, do: Callable[[], object] = lambda: None) -> Run:
        config = QueryConfig(
            port=0, workspace=workspace, state=workspace / ".thanosql", catalog=catalog, inference=address
        )
        query = start_query(config)
        rows = done_at_kill = 0
        killed_at = 0.0
        with open_channel(query.address) as channel:
            began = time.perf_counter()
            for event in QueryClient(channel).execute(PREDICT):
                match event.event:
                    case Rows():
                        rows += count_rows(event.event)
                    case Progress(phase="transcribe", done=done) if at and done >= at and not killed_at:
                        do()
                        killed_at, done_at_kill = time.perf_counter(), done
            ended = time.perf_counter()
        query.stop(0)
        after = (ended - killed_at, rows - done_at_kill) if killed_at else (0.0, 0)
        return Run(name, ended - began, rows, audio_seconds, *after)

    return predict


if __name__ == "__main__":
    main()
