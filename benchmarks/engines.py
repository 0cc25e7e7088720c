"""How fast is each engine in each precision on this CPU, what memory does it take, and does it hear the same?

    python benchmarks/engines.py                                   # wav2vec2-base, 24 recordings of LibriSpeech
    python benchmarks/engines.py --rows 6 --rounds 1               # a quick look
    python benchmarks/engines.py --layouts 2x1 1x2                 # two workers of one thread, one worker of two
    python benchmarks/engines.py --checkpoint FOLDER --rows 200    # a trained model, for the word error rates

Each contender is a process of its own that computes single clips through `inference_service.engines.engine`; in each
round all of them transcribe all recordings, one after the other, so a noisy machine is noisy for all: compare the
ratios, and the seconds of CPU time, which other processes disturb least. `openvino:int8` is OpenVINO on the graph
that was quantised for ONNX Runtime; the service does not offer it.

The weights are random by default, which is as fast as trained ones; what they hear means nothing then.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
TEST_SETS = ("../shared/data/librispeech/test.csv", "tutorial_data/librispeech_data/librispeech_test.csv")
MODEL = "benchmark"
ENGINES = ("onnxruntime:fp32", "onnxruntime:int8", "openvino:fp32", "openvino:bf16", "openvino:int8")


@dataclass(frozen=True)
class Recording:
    """A file to transcribe, and what it says."""

    file: Path
    text: str


@dataclass(frozen=True)
class Contender:
    """An engine in a precision, computing by so many workers of so many threads."""

    engine: str
    precision: str
    workers: int
    threads: int

    @property
    def name(self) -> str:
        return f"{self.engine}:{self.precision} {self.workers}x{self.threads}"


@dataclass
class Figures:
    """What was measured of a contender; lists are by round."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    open_seconds: float = 0.0
    peak_megabytes: float = 0.0
    """Resident, weights and Python included."""
    end_megabytes: float = 0.0
    """After everything, with the working memory given back."""
    texts: list[str] = field(default_factory=list)


# --- a contender's process --------------------------------------------------------------------------------------------


def contend(contender: Contender, folder: Path, recordings: Sequence[Recording], connection: Connection) -> None:
    """Opens the engine; then transcribes everything at each word of the referee."""
    import psutil
    import soundfile

    from thanosql.ctc import decode_text
    from thanosql.modelstore import read_description

    description = read_description(folder)
    begin = time.perf_counter()
    engine = open_contender(contender, folder)
    opened = time.perf_counter() - begin
    clips = [soundfile.read(each.file, dtype="float32")[0] for each in recordings]
    pool = ThreadPoolExecutor(contender.workers)

    def transcribe(samples: Any) -> str:
        return decode_text(engine.run([samples])[0].tokens, description)

    connection.send(opened)
    process = psutil.Process()
    while connection.recv() == "run":
        begin, cpu = time.perf_counter(), time.process_time()
        texts = list(pool.map(transcribe, clips))
        spent = time.perf_counter() - begin, time.process_time() - cpu
        connection.send((*spent, texts))
    engine.run([clips[0]], free_memory=True)
    connection.send(process.memory_info().rss / 2**20)
    os._exit(0)


def open_contender(contender: Contender, folder: Path) -> Any:
    from inference_service.engines.engine import EngineChoice, open_engine
    from inference_service.engines.openvino_engine import OpenVinoEngine
    from inference_service.engines.quantisation import choose_places, quantised_graph
    from thanosql.modelstore import GRAPH, read_description

    description = read_description(folder)
    if contender.engine == "openvino" and contender.precision == "int8":
        graph = quantised_graph(folder / GRAPH, description, choose_places(folder, description, None))
        return OpenVinoEngine(
            graph, description, precision="fp32", workers=contender.workers, threads=contender.threads
        )
    choice = EngineChoice("cpu", contender.engine, contender.precision, contender.workers, contender.threads)
    return open_engine(folder, description, choice)


# --- the model --------------------------------------------------------------------------------------------------------


def make_model(checkpoint: Path | None, store: Path) -> None:
    """Exports the checkpoint, or wav2vec2-base with random weights, to a model store."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from inference_service.engines.quantisation import choose_places, quantised_graph
    from thanosql.modelstore import GRAPH, version_folder
    from trainer_service.bases.checkpoints import Checkpoint
    from trainer_service.export.export import new_description, write_version

    source = checkpoint or CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    torch.manual_seed(0)
    # The defaults of the configuration are wav2vec2-base.
    model: Any = Wav2Vec2ForCTC.from_pretrained(checkpoint) if checkpoint else Wav2Vec2ForCTC(Wav2Vec2Config())
    parts = Checkpoint(
        model.float(),
        Wav2Vec2CTCTokenizer.from_pretrained(source),
        Wav2Vec2FeatureExtractor.from_pretrained(source),
    )
    name = "random" if checkpoint is None else checkpoint.name
    description = write_version(store, parts, new_description(MODEL, 1, class_name="Benchmark", base=name, report={}))
    folder = version_folder(store, MODEL, 1)
    quantised_graph(folder / GRAPH, description, choose_places(folder, description, None))


# --- the referee ------------------------------------------------------------------------------------------------------


def watch_memory(process: BaseProcess, figures: Figures, stop: threading.Event) -> None:
    import psutil

    watched = psutil.Process(process.pid)
    while not stop.wait(0.02):
        figures.peak_megabytes = max(figures.peak_megabytes, watched.memory_info().rss / 2**20)


def compete(
    contenders: Sequence[Contender], folder: Path, recordings: Sequence[Recording], rounds: int
) -> dict[Contender, Figures]:
    """Lets each contender warm up by one recording, then has all take turns."""
    spawn = multiprocessing.get_context("spawn")
    results = {contender: Figures() for contender in contenders}
    running: dict[Contender, tuple[BaseProcess, Connection]] = {}
    for contender in contenders:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=contend, args=(contender, folder, recordings, theirs), name=contender.name)
        process.start()
        theirs.close()
        running[contender] = process, ours
        results[contender].open_seconds = receive(contender, ours)
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in (*contenders[shift:], *contenders[:shift]):
            process, connection = running[contender]
            figures = results[contender]
            stop = threading.Event()
            watcher = threading.Thread(target=watch_memory, args=(process, figures, stop))
            watcher.start()
            try:
                connection.send("run")
                seconds, cpu_seconds, figures.texts = receive(contender, connection)
            finally:
                stop.set()
                watcher.join()
            figures.seconds.append(seconds)
            figures.cpu_seconds.append(cpu_seconds)
            print(f"round {number + 1} of {rounds}: {contender.name} {seconds:.1f} s", file=sys.stderr, flush=True)
    for contender, (process, connection) in running.items():
        connection.send("end")
        results[contender].end_megabytes = receive(contender, connection)
        process.join(30)
    return results


def receive(contender: Contender, connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        raise SystemExit(f"{contender.name} has ended; its messages are above") from None


def report(
    results: dict[Contender, Figures], recordings: Sequence[Recording], audio_seconds: float
) -> dict[str, object]:
    """Prints the table; gives the same figures for the JSON file."""
    from thanosql.scoring import word_errors

    first, *_ = results
    reference = results[first]
    columns = ("audio s/s", "speed", "CPU s/audio s", "peak MB", "end MB", "open s", "same text", "WER")
    print(f"\n{len(recordings)} recordings, {audio_seconds:.0f} s of audio, {len(reference.seconds)} rounds")
    print(f"{'':24}" + "".join(f"{column:>15}" for column in columns))
    rows = {}
    for contender, figures in results.items():
        row = {
            "audio_seconds_per_second": audio_seconds / min(figures.seconds),
            # Round by round, so that what slows the machine for a while slows both sides of a ratio.
            "times_as_fast": statistics.median(map(divide, reference.seconds, figures.seconds)),
            "cpu_seconds_per_audio_second": min(figures.cpu_seconds) / audio_seconds,
            "peak_megabytes": figures.peak_megabytes,
            "end_megabytes": figures.end_megabytes,
            "open_seconds": figures.open_seconds,
            "same_text": sum(map(str.__eq__, reference.texts, figures.texts)) / len(recordings),
            "wer": word_errors([each.text for each in recordings], figures.texts).rate,
        }
        formats = ("15.2f", "13.2f", "15.3f", "15.0f", "15.0f", "15.1f", "15.0%", "15.2%")
        cells = [format(value, how) for value, how in zip(row.values(), formats, strict=True)]
        cells[1] += " x"
        print(f"{contender.name:24}" + "".join(cells))
        rows[contender.name] = {**row, "seconds": figures.seconds, "cpu_seconds": figures.cpu_seconds}
    return {"recordings": len(recordings), "audio_seconds": audio_seconds, "contenders": rows}


def divide(left: float, right: float) -> float:
    return left / right


def read_recordings(table: Path, rows: int) -> list[Recording]:
    """Recordings of a csv table with columns audio_path and text, evenly taken."""
    with table.open(encoding="utf-8", newline="") as file:
        entries = list(csv.DictReader(file))
    entries = entries[:: max(1, len(entries) // rows)][:rows]
    workspace = next((each for each in table.parents if (each / entries[0]["audio_path"]).exists()), None)
    if workspace is None:
        raise SystemExit(f"{table}: {entries[0]['audio_path']} is in no folder above it")
    return [Recording(workspace / entry["audio_path"], entry["text"]) for entry in entries]


def parse_layout(text: str) -> tuple[int, int]:
    workers, _, threads = text.partition("x")
    return int(workers), int(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = next(path for path in TEST_SETS if (CHECKOUT / path).exists())
    parser.add_argument("--table", type=Path, default=CHECKOUT / default, help="csv with columns audio_path and text")
    parser.add_argument("--rows", type=int, default=24, help="recordings, taken evenly from the table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpoint", type=Path, help="folder of a Wav2Vec2 CTC checkpoint, not random weights")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES), metavar="ENGINE:PRECISION")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--layouts",
        nargs="+",
        type=parse_layout,
        default=[(cores, 1)],
        metavar="WORKERSxTHREADS",
        help="default: cores x1",
    )
    parser.add_argument("--json", type=Path, default=Path("engines.json"), help="where to write the figures")
    arguments = parser.parse_args()
    import soundfile

    recordings = read_recordings(arguments.table.resolve(), arguments.rows)
    audio_seconds = sum(soundfile.info(each.file).duration for each in recordings)
    pairs = [tuple(each.split(":")) for each in arguments.engines]
    contenders = [Contender(*pair, *layout) for layout in arguments.layouts for pair in pairs]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        store = Path(folder) / "models"
        # In a process of its own, whose memory is nobody's.
        maker = multiprocessing.get_context("spawn").Process(target=make_model, args=(arguments.checkpoint, store))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the model could not be made; the messages are above")
        results = compete(contenders, store / MODEL / "1", recordings, arguments.rounds)
        figures = report(results, recordings, audio_seconds)
    arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
