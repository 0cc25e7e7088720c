"""PREDICT beside what a good engineer would write today: DuckDB with an Arrow UDF around the same ONNX file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from serving_parts.report import Table, tell
from serving_parts.speech import SAMPLE_RATE

from sql_parts.services import add_model
from sql_parts.settings import Settings
from sql_parts.turns import ratio_of, take_turns

ROWS, QUICK_ROWS = 80, 8
LEAST_TIMES = 1.1
BATCH_SIZES = (1, 2, 4, 8)


def measure(settings: Settings) -> Table:
    """The same recordings, in turn; each time all are transcribed, for PREDICT has cache=False."""
    recordings = settings.speech.take(settings.of(ROWS, QUICK_ROWS))
    state = settings.scratch / "udf"
    add_model(state, settings.model)
    paths = [each.path for each in recordings]
    seconds = sum(each.seconds for each in recordings)
    contenders = {"PREDICT": prepare_predict, "UDF": prepare_udf}
    predict, udf = take_turns(contenders, (settings.speech.workspace, state, settings.model, paths), settings.rounds)
    table = Table(f"PREDICT and a UDF: {len(paths)} recordings, {seconds:.0f} s of audio, the {settings.model} model")
    same = sum(map(str.__eq__, predict.result[0], udf.result[0])) / len(paths)
    for each in (predict, udf):
        rate = seconds / sorted(each.seconds)[len(each.seconds) // 2]
        table.add(each.name, rate, "audio s/s", note=each.result[1])
    note = f"median of {settings.rounds} rounds; {same:.0%} of the texts are the same"
    table.add("PREDICT is faster by", ratio_of(udf, predict), "times", at_least=LEAST_TIMES, note=note)
    return table


def prepare_predict(workspace: Path, state: Path, model: str, paths: list[str]) -> Callable[[], tuple[list[str], str]]:
    """The statement, through a session in local mode, no cache used."""
    import thanosql

    session = thanosql.connect(workspace=workspace, state=state)
    values = ", ".join(f"('{path}')" for path in paths)
    statement = f"PREDICT USING {model} OPTIONS (cache=False) AS SELECT * FROM (VALUES {values}) AS t (audio_path)"
    return lambda: (session.sql(statement, progress=False).to_arrow()["predicted"].to_pylist(), "in local mode")


def prepare_udf(workspace: Path, state: Path, model: str, paths: list[str]) -> Callable[[], tuple[list[str], str]]:
    """A vectorised function of DuckDB: files decoded by threads, sorted by length, in padded batches through the graph.

    The size of the batch is the quickest of a few on this machine.
    """
    import duckdb
    import pyarrow as pa

    transcribe = Transcriber(state, model)
    trial = sorted(paths)[: max(BATCH_SIZES)]
    times = {}
    for size in BATCH_SIZES:
        transcribe(workspace, trial, size)
        begin = time.perf_counter()
        transcribe(workspace, trial, size)
        times[size] = time.perf_counter() - begin
    best = min(times, key=lambda size: times[size])
    tell(f"UDF: seconds by size of the batch: {', '.join(f'{size}: {s:.2f}' for size, s in times.items())}")

    def transcribe_vector(vector: Any) -> Any:
        return pa.array(transcribe(workspace, vector.to_pylist(), best))

    connection = duckdb.connect()
    connection.create_function("transcribe", transcribe_vector, ["VARCHAR"], "VARCHAR", type="arrow")  # type: ignore[arg-type]
    connection.execute("CREATE TABLE clips (number INTEGER, audio_path VARCHAR)")
    connection.executemany("INSERT INTO clips VALUES (?, ?)", list(enumerate(paths)))

    def run() -> tuple[list[str], str]:
        rows = connection.execute("SELECT audio_path, transcribe(audio_path) FROM clips ORDER BY number").fetchall()
        return [text for _, text in rows], f"batches of {best}"

    return run


class Transcriber:
    """The exported graph in ONNX Runtime, with the threads of the machine."""

    def __init__(self, state: Path, model: str) -> None:
        import onnxruntime

        from thanosql.modelstore import GRAPH, read_description, version_folder

        folder = version_folder(state / "models", model, 1)
        self._description = read_description(folder)
        self._session = onnxruntime.InferenceSession(str(folder / GRAPH), providers=["CPUExecutionProvider"])
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1)

    def __call__(self, workspace: Path, paths: list[str], size: int) -> list[str]:
        """The texts of recordings, which are computed in batches of `size`, the short ones first."""
        import numpy as np

        clips = list(self._decoders.map(lambda path: _read(workspace / path), paths))
        order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
        texts = [""] * len(clips)
        for first in range(0, len(order), size):
            chosen = order[first : first + size]
            lengths = np.array([len(clips[i]) for i in chosen])
            waveform = np.zeros((len(chosen), lengths.max()), np.float32)
            for row, i in enumerate(chosen):
                waveform[row, : lengths[row]] = clips[i]
            tokens, frames = self._session.run(["tokens", "frames"], {"waveform": waveform, "lengths": lengths})
            for row, i in enumerate(chosen):
                texts[i] = self._spell(tokens[row, : int(frames[row])])
        return texts

    def _spell(self, tokens: Any) -> str:
        import numpy as np

        if not len(tokens):
            return ""
        kept = tokens[np.insert(tokens[1:] != tokens[:-1], 0, True)]
        there = self._description
        letters = [there.vocabulary[t] for t in kept if t != there.blank and t not in there.special]
        return " ".join("".join(letters).replace("|", " ").split())


def _read(path: Path) -> Any:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE:
        raise ValueError(f"{path} has {rate} samples a second")
    return samples
