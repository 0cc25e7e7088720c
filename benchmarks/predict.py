"""How fast is PREDICT against a transformers pipeline and against a bare ONNX Runtime loop, with the same weights?

    python benchmarks/predict.py                                      # wav2vec2-base, 80 recordings of LibriSpeech
    python benchmarks/predict.py --rows 10 --rounds 1                 # a quick look

Each contender is a process of its own; in each round all of them transcribe all recordings, one after the other, so a
noisy machine is noisy for all. Reading and decoding the files, and making text, are part of the work for each of them.

* `PREDICT`: a statement through `thanosql.connect()`: four services, one process, no transcript cache.
* `pipeline`: `transformers.pipeline("automatic-speech-recognition")` in fp32, a clip at a time (its default).
* `loop`: the exported graph in ONNX Runtime with default options, a clip at a time, files read by soundfile.

The weights are random by default, which is as fast as trained ones; `--checkpoint` names others.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
TEST_SETS = ("../shared/data/librispeech/test.csv", "tutorial_data/librispeech_data/librispeech_test.csv")
MODEL = "benchmark"
TARGETS = {"pipeline": 1.3, "loop": 0.9}
MOST_MEGABYTES = 2048


@dataclass(frozen=True)
class Task:
    """What every contender is to transcribe, and with what."""

    table: Path
    workspace: Path
    """Folder that the paths in the table are relative to."""
    paths: tuple[str, ...]
    checkpoint: Path
    state: Path
    """Holds the model store."""

    @property
    def files(self) -> list[Path]:
        return [self.workspace / path for path in self.paths]


@dataclass
class Contestant:
    """A contender's process, and what was measured of it."""

    name: str
    process: BaseProcess
    connection: Connection
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_megabytes: float = 0.0
    texts: list[str] = field(default_factory=list)


# --- the contenders: each makes itself ready, and gives a function that transcribes everything -----------------------


def prepare_predict(task: Task) -> Callable[[], list[str]]:
    import thanosql

    session = thanosql.connect(workspace=task.workspace, state=task.state)
    session.sql(f"COPY clips OPTIONS (overwrite=True) FROM '{task.table.relative_to(task.workspace)}'", progress=False)
    statement = (
        f"PREDICT USING {MODEL} OPTIONS (cache=False) AS SELECT audio_path FROM clips "
        f"WHERE audio_path IN ({', '.join(repr(path) for path in task.paths)})"
    )

    def run() -> list[str]:
        predicted = session.sql(statement, progress=False).to_arrow().to_pydict()
        texts = dict(zip(predicted["audio_path"], predicted["predicted"], strict=True))
        return [texts[path] for path in task.paths]

    return run


def prepare_pipeline(task: Task) -> Callable[[], list[str]]:
    import soundfile
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    recognise: Any = transformers.pipeline("automatic-speech-recognition", model=str(task.checkpoint), dtype="float32")

    def run() -> list[str]:
        texts = []
        for file in task.files:
            samples, rate = soundfile.read(file, dtype="float32")
            text = recognise({"raw": samples, "sampling_rate": rate})["text"]
            # It keeps special tokens, of which random weights make many, and two spaces for two word delimiters.
            texts.append(" ".join(re.sub(r"</?\w+>", "", text).split()))
        return texts

    return run


def prepare_loop(task: Task) -> Callable[[], list[str]]:
    import numpy as np
    import onnxruntime
    import soundfile

    from thanosql.modelstore import GRAPH, read_description, version_folder

    folder = version_folder(task.state / "models", MODEL, 1)
    description = read_description(folder)
    session = onnxruntime.InferenceSession(str(folder / GRAPH), providers=["CPUExecutionProvider"])

    def run() -> list[str]:
        texts = []
        for file in task.files:
            samples, _ = soundfile.read(file, dtype="float32")
            inputs = {"waveform": samples[None], "lengths": np.array([len(samples)])}
            (tokens,) = session.run(["tokens"], inputs)
            row = tokens[0]
            kept = row[np.insert(row[1:] != row[:-1], 0, True)]
            letters = [
                description.vocabulary[t] for t in kept if t != description.blank and t not in description.special
            ]
            texts.append(" ".join("".join(letters).replace("|", " ").split()))
        return texts

    return run


CONTENDERS = {"PREDICT": prepare_predict, "pipeline": prepare_pipeline, "loop": prepare_loop}


def contend(name: str, task: Task, connection: Connection) -> None:
    """The life of a contender's process: ready, then a pass over the recordings for each word of the referee."""
    run = CONTENDERS[name](task)
    connection.send("ready")
    while connection.recv() == "run":
        begin, cpu = time.perf_counter(), time.process_time()
        texts = run()
        connection.send((time.perf_counter() - begin, time.process_time() - cpu, texts))


# --- the model --------------------------------------------------------------------------------------------------------


def make_model(checkpoint: Path | None, target: Path, state: Path) -> None:
    """Writes the checkpoint to `target` and its export to the model store, and registers it."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from catalog_service.__main__ import start
    from catalog_service.config import CatalogConfig
    from thanosql.clients import CatalogClient
    from thanosql.rpc.channel import open_channel
    from thanosql.types import Model
    from trainer_service.bases.checkpoints import Checkpoint
    from trainer_service.export.export import new_description, write_version

    bundled = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    torch.manual_seed(0)
    # The defaults of the configuration are wav2vec2-base.
    model: Any = Wav2Vec2ForCTC.from_pretrained(checkpoint) if checkpoint else Wav2Vec2ForCTC(Wav2Vec2Config())
    parts = Checkpoint(
        model.float(),
        Wav2Vec2CTCTokenizer.from_pretrained(checkpoint or bundled),
        Wav2Vec2FeatureExtractor.from_pretrained(checkpoint or bundled),
    )
    model.save_pretrained(target)
    parts.tokenizer.save_pretrained(target)
    parts.feature_extractor.save_pretrained(target)
    write_version(state / "models", parts, new_description(MODEL, 1, class_name="Benchmark", base="random", report={}))
    catalog = start(CatalogConfig(port=0, state=state, workspace=target))
    with open_channel(catalog.address) as channel:
        client = CatalogClient(channel)
        version = client.reserve_model_version(MODEL)
        client.register_model(Model(MODEL, version, class_name="Benchmark", base="random"))
    catalog.stop(0)


# --- the referee ------------------------------------------------------------------------------------------------------


def watch_memory(contestant: Contestant, stop: threading.Event) -> None:
    """Notes the largest sum of the resident memory of a contender's processes."""
    import psutil

    process = psutil.Process(contestant.process.pid)
    while not stop.wait(0.02):
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        contestant.peak_megabytes = max(contestant.peak_megabytes, total / 2**20)


def run_pass(contestant: Contestant) -> tuple[float, float, list[str]]:
    stop = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(contestant, stop))
    watcher.start()
    try:
        contestant.connection.send("run")
        seconds, cpu_seconds, texts = contestant.connection.recv()
    except EOFError:
        raise SystemExit(f"{contestant.name} has ended; its messages are above") from None
    finally:
        stop.set()
        watcher.join()
    return seconds, cpu_seconds, texts


def compete(task: Task, names: Sequence[str], rounds: int) -> list[Contestant]:
    """Starts the contenders, lets each warm up, and has them take turns."""
    spawn = multiprocessing.get_context("spawn")
    contestants = []
    for name in names:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=contend, args=(name, task, theirs), name=name)
        process.start()
        theirs.close()
        contestants.append(Contestant(name, process, ours))
        try:
            ours.recv()
        except EOFError:
            raise SystemExit(f"{name} could not start; its messages are above") from None
        run_pass(contestants[-1])
    for number in range(rounds):
        shift = number % len(contestants)
        for contestant in contestants[shift:] + contestants[:shift]:
            seconds, cpu_seconds, contestant.texts = run_pass(contestant)
            contestant.seconds.append(seconds)
            contestant.cpu_seconds.append(cpu_seconds)
            print(f"round {number + 1} of {rounds}: {contestant.name} {seconds:.1f} s", file=sys.stderr, flush=True)
    for contestant in contestants:
        contestant.connection.send("end")
        contestant.process.join(30)
    return contestants


def report(task: Task, contestants: Sequence[Contestant], audio_seconds: float) -> dict[str, object]:
    """Prints the table; gives the same figures for the JSON file."""
    first = contestants[0]
    rows = {}
    print(f"\n{len(task.paths)} recordings, {audio_seconds:.0f} s of audio, {len(first.seconds)} rounds")
    print(
        f"{'':10}{'audio s/s':>10}{'CPU s/audio':>15}{'peak MB':>9}{first.name + ' is':>12}{'aim':>8}{'same text':>11}"
    )
    for each in contestants:
        # Round by round, so that what slows the machine for a while slows both sides of a ratio.
        ratio = statistics.median(theirs / ours for ours, theirs in zip(first.seconds, each.seconds, strict=True))
        same = sum(map(str.__eq__, first.texts, each.texts)) / len(task.paths)
        rows[each.name] = {
            "audio_seconds_per_second": audio_seconds / statistics.median(each.seconds),
            "cpu_seconds_per_audio_second": statistics.median(each.cpu_seconds) / audio_seconds,
            "peak_megabytes": each.peak_megabytes,
            "predict_is_faster_by": ratio,
            "same_text": same,
            "seconds": each.seconds,
        }
        target = f"{TARGETS[each.name]:.1f} x" if each.name in TARGETS else ""
        print(
            f"{each.name:10}{audio_seconds / statistics.median(each.seconds):10.2f}"
            f"{statistics.median(each.cpu_seconds) / audio_seconds:15.3f}{each.peak_megabytes:9.0f}"
            f"{ratio:10.2f} x{target:>8}{same:11.0%}"
        )
    if first.name == "PREDICT":
        print(f"peak memory of PREDICT: {first.peak_megabytes:.0f} MB (target: at most {MOST_MEGABYTES})")
    return {
        "recordings": len(task.paths),
        "audio_seconds": audio_seconds,
        "targets": {**TARGETS, "peak_megabytes": MOST_MEGABYTES},
        "contenders": rows,
    }


def read_task(table: Path, rows: int | None, folder: Path) -> tuple[Task, float]:
    """The recordings of a csv table, and how many seconds they last."""
    import soundfile

    with table.open(encoding="utf-8", newline="") as file:
        paths = tuple(row["audio_path"] for row in csv.DictReader(file))[:rows]
    workspace = next((each for each in table.parents if (each / paths[0]).exists()), None)
    if workspace is None:
        raise SystemExit(f"{table}: {paths[0]} is in no folder above it")
    task = Task(table, workspace, paths, folder / "checkpoint", folder / "state")
    return task, sum(soundfile.info(file).duration for file in task.files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = next(path for path in TEST_SETS if (CHECKOUT / path).exists())
    parser.add_argument("--table", type=Path, default=CHECKOUT / default, help="csv with a column audio_path")
    parser.add_argument("--rows", type=int, help="take only the first so many")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--checkpoint", type=Path, help="folder of a Wav2Vec2 CTC checkpoint, in place of random weights"
    )
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, default=Path("predict.json"), help="where to write the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        task, audio_seconds = read_task(arguments.table.resolve(), arguments.rows, Path(folder))
        # In a process of its own, whose memory is nobody's.
        maker = multiprocessing.get_context("spawn").Process(
            target=make_model, args=(arguments.checkpoint, task.checkpoint, task.state)
        )
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the model could not be made; the messages are above")
        figures = report(task, compete(task, arguments.contenders, arguments.rounds), audio_seconds)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
