"""How fast does BUILD MODEL train against a plain transformers Trainer, on the same rows, from the same weights?

    python benchmarks/build.py                                        # 80 rows of LibriSpeech, three epochs
    python benchmarks/build.py --rows 16 --epochs 1 --rounds 1        # a quick look
    python benchmarks/build.py --device cuda --checkpoint FOLDER      # on a GPU, from another model

Each contender is a process of its own; in each round all of them train once, one after the other, so a noisy machine is
noisy for all. The figure is seconds of audio heard (rows times epochs) by seconds of training, from the samples of the
recordings to the last step; loading the model is left out, and so is evaluation.

* `recipe`: `trainer_service.training.finetune`, as BUILD MODEL runs it: in bf16 where the hardware has it, with the
  augmentation that the recipe chooses, the frozen encoder run once for each clip and speed. Reading and decoding the
  files is part of its time.
* `recipe plain`: the same with `augmentation=False`, as the Trainer hears the rows.
* `recipe fp32`: `recipe plain` held to float32.
* `Trainer`: `transformers.Trainer` with `train_sampling_strategy="group_by_length"`, the encoder frozen, in float32,
  its default; the files were read, and the samples normalised, before its time begins.
* `Trainer bf16`: the same with `bf16=True`.
* `recipe unordered`: `recipe plain`, on a GPU without `compute_repeatably`: what it costs that sums are made in order.
* `BUILD`: the whole statement through `thanosql.connect()`, with the check of the rows, the held-out part, the export
  and the parity gate: for its seconds and for the peak memory of all processes.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
TRAINING_SETS = ("../shared/data/librispeech/train.csv", "tutorial_data/librispeech_data/librispeech_train.csv")
BUNDLED = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
TARGET = 3.0
MOST_MEGABYTES = 4096
LEARNING_RATE = 5e-5
SIZES = ("num_hidden_layers", "hidden_size", "intermediate_size")


@dataclass(frozen=True)
class Task:
    """What every contender is to learn from."""

    workspace: Path
    """Folder that the paths of the rows are relative to."""
    rows: tuple[tuple[str, str], ...]
    """Path and transcript."""
    epochs: int
    batch_size: int
    state: Path
    """Empty folder for the services."""
    device: str
    """ "cpu" or "cuda"."""
    checkpoint: Path
    """What is trained."""


@dataclass
class Contestant:
    """A contender's process, and what was measured of it."""

    name: str
    process: BaseProcess
    connection: Connection
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    padding: float = 0.0
    """Share of the audio."""
    peak_megabytes: float = 0.0
    gpu_megabytes: float = 0.0
    """The most that tensors took of the GPU."""


Run = Callable[[], tuple[float, float, float]]
"""Trains once: seconds, last loss, padding as a share of the audio."""


# --- the contenders: each makes itself ready, and gives a function that trains once: its seconds and its last loss ---


def prepare_recipe(task: Task, kind: str = "") -> Run:
    from trainer_service.runner import ENVIRONMENT

    os.environ |= ENVIRONMENT
    import torch

    from thanosql.types import JobKind, JobSpec
    from trainer_service.bases.checkpoints import load_folder
    from trainer_service.bases.head import alphabet_of
    from trainer_service.data.dataset import Limits, Row, check_rows
    from trainer_service.data.reading import ReadAhead
    from trainer_service.export.export import describe, new_description
    from trainer_service.export.graph import frame_count
    from trainer_service.training.features import FeatureStore, share_memory
    from trainer_service.training.finetune import FineTuning
    from trainer_service.training.machine import available_memory, choose_precision, compute_repeatably
    from trainer_service.training.recipe import ModelSize, choose_recipe, seconds_at_once

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = torch.device(task.device)
    precision = torch.float32 if kind == "fp32" else choose_precision(device)
    if kind != "unordered":
        compute_repeatably(device)
    readers = 8 if task.device == "cuda" else 1
    spec = JobSpec(
        *(JobKind.BUILD, "m", "base", task.epochs, task.batch_size, LEARNING_RATE), augmentation=False if kind else None
    )

    def run() -> tuple[float, float, float]:
        checkpoint = load_folder(task.checkpoint)
        model = describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))
        utterances, _ = check_rows(
            [Row(*row) for row in task.rows],
            task.workspace,
            alphabet_of(model),
            "Wav2Vec2EnTiny",
            Limits(model.sample_rate, 60.0, lambda samples: int(frame_count(checkpoint.model.config, samples))),
            lambda _: None,
        )
        size = ModelSize(*(getattr(checkpoint.model.config, name) for name in SIZES))
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, ReadAhead(model.sample_rate, readers) as recordings:
            graph = checkpoint.graph().to(device)
            memory, kept_bytes = share_memory(device, available_memory(device), 1)
            outcome = FineTuning(
                graph,
                utterances,
                (),
                replace(
                    choose_recipe(
                        spec, sum(each.samples for each in utterances) / model.sample_rate / 3600, len(utterances)
                    ),
                    step_rows=task.batch_size,  # as many as the Trainer
                ),
                description=model,
                features=FeatureStore(
                    graph,
                    recordings,
                    sample_rate=model.sample_rate,
                    precision=precision,
                    device=device,
                    budget=kept_bytes,
                ),
                folder=Path(folder),
                tell=lambda _: None,
                device=device,
                precision=precision,
                at_once=seconds_at_once(size, memory),
            ).run()
        return time.perf_counter() - begin, outcome.losses[-1], outcome.padding

    return run


def prepare_trainer(task: Task, precision: str = "") -> Run:
    import soundfile
    import torch
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    extractor: Any = transformers.Wav2Vec2FeatureExtractor.from_pretrained(task.checkpoint)
    tokenizer: Any = transformers.Wav2Vec2CTCTokenizer.from_pretrained(task.checkpoint)

    def read(path: str) -> Any:
        samples, rate = soundfile.read(task.workspace / path, dtype="float32")
        return extractor(samples, sampling_rate=rate).input_values[0]

    examples = [{"input_values": read(path), "labels": tokenizer(text.upper()).input_ids} for path, text in task.rows]

    sizes = [0, 0]

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        lengths = [len(each["input_values"]) for each in batch]
        sizes[0] += sum(lengths)
        sizes[1] += max(lengths) * len(lengths)
        inputs = extractor.pad(
            [{"input_values": each["input_values"]} for each in batch], padding=True, return_tensors="pt"
        )
        labels = [torch.tensor(each["labels"]) for each in batch]
        padded = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
        return {**inputs, "labels": padded}

    def run() -> tuple[float, float, float]:
        sizes[:] = 0, 0
        model: Any = transformers.Wav2Vec2ForCTC.from_pretrained(task.checkpoint, dtype=torch.float32)
        model.freeze_feature_encoder()
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                output_dir=folder,
                num_train_epochs=task.epochs,
                per_device_train_batch_size=task.batch_size,
                learning_rate=LEARNING_RATE,
                warmup_steps=0.1,
                train_sampling_strategy="group_by_length",
                bf16=precision == "bf16",
                use_cpu=task.device == "cpu",
                save_strategy="no",
                logging_strategy="epoch",
                report_to="none",
                disable_tqdm=True,
            )
            trainer = transformers.Trainer(
                model=model,
                args=arguments,
                train_dataset=examples,
                data_collator=collate,
                processing_class=extractor,
            )
            trainer.remove_callback(transformers.PrinterCallback)
            begin = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - begin
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return seconds, float(losses[-1]), sizes[1] / sizes[0] - 1

    return run


def prepare_build(task: Task) -> Run:
    import thanosql

    session = thanosql.connect(workspace=task.workspace, state=task.state)
    with tempfile.NamedTemporaryFile("w", suffix=".csv", dir=task.workspace, newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("audio_path", "text"), *task.rows])
        file.flush()
        session.sql(f"COPY clips OPTIONS (overwrite=True) FROM '{Path(file.name).name}'", progress=False)

    def run() -> tuple[float, float, float]:
        begin = time.perf_counter()
        session.sql(
            f"BUILD MODEL benchmark USING Wav2Vec2EnTiny OPTIONS (epochs={task.epochs}, batch_size={task.batch_size}, "
            "overwrite=True) AS SELECT * FROM clips",
            progress=False,
        )
        return time.perf_counter() - begin, float("nan"), float("nan")

    return run


CONTENDERS: dict[str, Callable[[Task], Run]] = {
    "recipe": prepare_recipe,
    "recipe plain": lambda task: prepare_recipe(task, "plain"),
    "recipe fp32": lambda task: prepare_recipe(task, "fp32"),
    "recipe unordered": lambda task: prepare_recipe(task, "unordered"),
    "Trainer": prepare_trainer,
    "Trainer bf16": lambda task: prepare_trainer(task, "bf16"),
    "BUILD": prepare_build,
}


def contend(name: str, task: Task, connection: Connection) -> None:
    """The life of a contender's process: ready, then a training for each word of the referee."""
    run = CONTENDERS[name](task)
    connection.send("ready")
    while connection.recv() == "run":
        figures = run()
        connection.send((*figures, _gpu_megabytes(task.device)))


def _gpu_megabytes(device: str) -> float:
    if device == "cpu":
        return 0.0
    import torch

    return torch.cuda.max_memory_allocated() / 2**20


# --- the referee ------------------------------------------------------------------------------------------------------


def watch_memory(contestant: Contestant, stop: threading.Event) -> None:
    """Notes the largest sum of the resident memory of a contender's processes."""
    import psutil

    process = psutil.Process(contestant.process.pid)
    while not stop.wait(0.05):
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        contestant.peak_megabytes = max(contestant.peak_megabytes, total / 2**20)


def run_once(contestant: Contestant) -> None:
    stop = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(contestant, stop))
    watcher.start()
    try:
        contestant.connection.send("run")
        seconds, loss, contestant.padding, contestant.gpu_megabytes = contestant.connection.recv()
    except EOFError:
        raise SystemExit(f"{contestant.name} has ended; its messages are above") from None
    finally:
        stop.set()
        watcher.join()
    contestant.seconds.append(seconds)
    contestant.losses.append(loss)


def compete(task: Task, names: Sequence[str], rounds: int) -> list[Contestant]:
    """Starts the contenders and has them take turns."""
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
    for number in range(rounds):
        shift = number % len(contestants)
        for contestant in contestants[shift:] + contestants[:shift]:
            run_once(contestant)
            message = f"round {number + 1} of {rounds}: {contestant.name} {contestant.seconds[-1]:.1f} s"
            print(message, file=sys.stderr, flush=True)
    for contestant in contestants:
        contestant.connection.send("end")
        contestant.process.join(30)
    return contestants


def report(task: Task, contestants: Sequence[Contestant], audio_seconds: float) -> dict[str, object]:
    """Prints the table; gives the same figures for the JSON file."""
    heard = audio_seconds * task.epochs
    first = contestants[0]
    rows = {}
    print(
        f"\n{len(task.rows)} rows, {audio_seconds:.0f} s of audio, {task.epochs} epochs, batches of {task.batch_size}, "
        f"{len(first.seconds)} rounds"
    )
    print(f"{'':16}{'audio s/s':>10}{'seconds':>9}{'last loss':>11}{'padding':>9}{'peak MB':>9}{'GPU MB':>9}", end="")
    print(f"{f'{first.name} is':>12}{'target':>9}")
    for each in contestants:
        # Round by round, so that what slows the machine for a while slows both sides of a ratio.
        ratio = statistics.median(theirs / ours for ours, theirs in zip(first.seconds, each.seconds, strict=True))
        seconds = statistics.median(each.seconds)
        rows[each.name] = {
            "audio_seconds_per_second": heard / seconds,
            "seconds": each.seconds,
            "loss": None if each.name == "BUILD" else each.losses[-1],
            "padding": None if each.name == "BUILD" else each.padding,
            "peak_megabytes": each.peak_megabytes,
            "gpu_megabytes": each.gpu_megabytes,
            "ratio": ratio,
        }
        loss, padding = "", ""
        if each.name != "BUILD":
            loss, padding = f"{each.losses[-1]:.3f}", f"{each.padding:.1%}"
        target = f"{TARGET:.1f} x" if each.name == "Trainer" else ""
        print(
            f"{each.name:16}{heard / seconds:10.1f}{seconds:9.2f}{loss:>11}{padding:>9}{each.peak_megabytes:9.0f}"
            f"{each.gpu_megabytes:9.0f}{ratio:10.2f} x{target:>9}"
        )
        if each.name == "BUILD":
            print(f"peak memory of BUILD: {each.peak_megabytes:.0f} MB (target: at most {MOST_MEGABYTES})")
    return {
        "rows": len(task.rows),
        "audio_seconds": audio_seconds,
        "epochs": task.epochs,
        "batch_size": task.batch_size,
        "device": task.device,
        "checkpoint": task.checkpoint.name,
        "targets": {"Trainer": TARGET, "peak_megabytes": MOST_MEGABYTES},
        "contenders": rows,
    }


def read_rows(table: Path, count: int) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """The first rows of a csv table, and the folder that its paths are relative to."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = tuple((row["audio_path"], row["text"]) for row in csv.DictReader(file))[:count]
    workspace = next((each for each in table.parents if (each / rows[0][0]).exists()), None)
    if workspace is None:
        raise SystemExit(f"{table}: {rows[0][0]} is in no folder above it")
    return workspace, rows


def copy_recordings(source: Path, rows: Sequence[tuple[str, str]], target: Path) -> float:
    """A workspace of its own, which may be written to, with the recordings; how many seconds they last."""
    import soundfile

    seconds = 0.0
    for path, _ in rows:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes((source / path).read_bytes())
        seconds += soundfile.info(target / path).duration
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = next(path for path in TRAINING_SETS if (CHECKOUT / path).exists())
    parser.add_argument("--table", type=Path, default=CHECKOUT / default, help="csv with columns audio_path, text")
    parser.add_argument("--rows", type=int, default=80, help="take only the first so many")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    usual = [name for name in CONTENDERS if name != "recipe unordered"]
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=usual)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED, help="folder of a Wav2Vec2 CTC checkpoint")
    parser.add_argument("--json", type=Path, default=Path("build.json"), help="where to write the figures")
    arguments = parser.parse_args()
    source, rows = read_rows(arguments.table.resolve(), arguments.rows)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        workspace = Path(folder) / "workspace"
        audio_seconds = copy_recordings(source, rows, workspace)
        task = Task(
            *(workspace, rows, arguments.epochs, arguments.batch_size),
            *(Path(folder) / "state", arguments.device, arguments.checkpoint),
        )
        figures = report(task, compete(task, arguments.contenders, arguments.rounds), audio_seconds)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
