"""Transcription on the GPU: what a clip says in company, how many seconds of audio a second, and beside bare loops."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpu_parts.settings import Figures, Settings

MODEL = "benchmark"


def measure(settings: Settings) -> dict[str, Any]:
    """Figures by size."""
    return {size: _measure(settings, size) for size in settings.sizes}


def _measure(settings: Settings, size: str) -> dict[str, Any]:
    import soundfile

    store = settings.scratch / f"state-{size}"
    folder = export(settings, size)
    figures: dict[str, Any] = {}
    clips = [soundfile.read(settings.workspace / path, dtype="float32")[0] for path, _ in settings.rows]
    clips = clips[: settings.of(320, 12)]
    for name, part in (
        ("company", lambda: _keep_company(settings, folder, clips)),
        ("service", lambda: _serve(settings, store, sum(map(len, clips)) / 16_000, len(clips))),
        ("too large", lambda: _ask_too_much(settings, folder, clips)),
        ("loops", lambda: _race_loops(settings, folder, settings.checkpoint(size), clips)),
    ):
        try:
            print(f"{size}, {name}", flush=True)
            figures[name] = part()
        except Exception as error:
            figures[name] = f"{type(error).__name__}: {str(error)[:500]}"
            print(figures[name], flush=True)
    return figures


def export(settings: Settings, size: str) -> Path:
    """Writes a checkpoint as version 1 into a model store of its own, through the parity gate; gives its folder."""
    from thanosql.modelstore import version_folder
    from trainer_service.bases.checkpoints import load_folder
    from trainer_service.export.export import new_description, write_version

    store = settings.scratch / f"state-{size}" / "models"
    folder = version_folder(store, MODEL, 1)
    if not folder.exists():
        begin = time.perf_counter()
        description = new_description(MODEL, 1, class_name="Benchmark", base="random", report={})
        written = write_version(store, load_folder(settings.checkpoint(size)), description)
        parity = written.report["parity"]
        print(f"{size}: exported in {time.perf_counter() - begin:.0f} s, parity {parity}", flush=True)
    return folder


def open_session(folder: Path, device: str, **options: str) -> Any:
    """A bare session of ONNX Runtime."""
    import onnxruntime

    from inference_service.engines.onnx_engine import providers
    from thanosql.modelstore import GRAPH

    chosen = providers(device)
    if device == "cuda":
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        chosen[0] = (chosen[0][0], {**chosen[0][1], **options})
    settings = onnxruntime.SessionOptions()
    settings.enable_mem_pattern = False
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / GRAPH), settings, providers=chosen)
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise RuntimeError("the CUDA execution provider could not be loaded")
    return session


def _keep_company(settings: Settings, folder: Path, clips: Sequence[Any]) -> dict[str, Any]:
    """The largest difference of a log-probability between a clip alone and in a batch of mixed lengths."""
    from inference_service.engines.engine import EngineChoice, open_engine
    from inference_service.engines.graph import pad
    from thanosql.modelstore import read_description

    figures = Figures()
    batch = [clip[: 16_000 * length] for clip, length in zip(clips, (1, 2, 4, 6, 9, 12, 16, 20), strict=False)]
    engine = open_engine(folder, read_description(folder), EngineChoice(settings.device))
    together = engine.run(batch, log_probs=True)
    alone = [engine.run([clip], log_probs=True)[0] for clip in batch]
    again = engine.run(batch, log_probs=True)
    exact = open_engine(folder, read_description(folder), EngineChoice("cpu", threads=8)).run(batch, log_probs=True)
    for name, others in (("ours", alone), ("ours, twice", again), ("ours, against the CPU", exact)):
        gaps = [_gap(left.log_probs, right.log_probs) for left, right in zip(together, others, strict=True)]
        figures[name] = float(f"{max(gaps):.2g}")
    engine.close()
    if settings.device == "cuda":
        session = open_session(folder, "cuda", use_tf32="1")
        rows, frames = session.run(["log_probs", "frames"], pad(batch))
        singles = [session.run(["log_probs"], pad([clip]))[0][0] for clip in batch]
        gaps = [_gap(row[:count], single) for row, count, single in zip(rows, frames, singles, strict=True)]
        figures["with TF32"] = float(f"{max(gaps):.2g}")
    return figures


def _gap(left: Any, right: Any) -> float:
    return float(np.abs(left - right).max(initial=0.0))


# --- bare loops -------------------------------------------------------------------------------------------------------


def batches_of(clips: Sequence[Any], seconds: float) -> list[list[Any]]:
    """Clips in order of length, in batches of so many padded seconds."""
    made: list[list[Any]] = []
    for clip in sorted(clips, key=len):
        if not made or len(clip) * (len(made[-1]) + 1) > seconds * 16_000:
            made.append([])
        made[-1].append(clip)
    return made


def _race_loops(settings: Settings, folder: Path, checkpoint: Path, clips: Sequence[Any]) -> dict[str, Any]:
    """Seconds of audio a second of everything that might compute these clips, in batches of several sizes.

    Each twice: in the first round, in which kernels are chosen for each shape, and in the second.
    """
    from inference_service.engines.engine import EngineChoice, open_engine
    from inference_service.engines.graph import pad
    from thanosql.modelstore import read_description

    def open_ours(*, free_memory: bool = False) -> Callable[[list[Any]], Any]:
        engine = open_engine(folder, read_description(folder), EngineChoice(settings.device))
        return lambda batch: engine.run(batch, free_memory=free_memory)

    def open_bare(**options: str) -> Callable[[list[Any]], Any]:
        session = open_session(folder, settings.device, **options)
        return lambda batch: session.run(["tokens", "scores", "frames"], pad(batch))

    is_gpu = settings.device == "cuda"
    contenders: dict[str, Callable[[], Callable[[list[Any]], Any]]] = {"engine": open_ours, "bare": open_bare}
    if is_gpu:
        contenders["torch bf16"] = lambda: torch_loop(checkpoint, "bfloat16")
        contenders["bare TF32"] = lambda: open_bare(use_tf32="1")
        contenders["torch fp32"] = lambda: torch_loop(checkpoint, "float32")
        contenders["engine, memory freed each time"] = lambda: open_ours(free_memory=True)
    audio = sum(map(len, clips)) / 16_000
    figures = Figures()
    for name, open_contender in contenders.items():
        compute = open_contender()
        for seconds in (80.0, 160.0) if is_gpu else (20.0,):
            rounds = []
            for _ in range(2):
                begin = time.perf_counter()
                for batch in batches_of(clips, seconds):
                    compute(batch)
                rounds.append(audio / (time.perf_counter() - begin))
            figures[f"{name}, {seconds:g} s"] = [round(rounds[0]), round(rounds[1])]
        del compute  # gives its memory back to the next
        gc.collect()
    return figures


def torch_loop(checkpoint: Path, precision: str) -> Callable[[list[Any]], Any]:
    """transformers' own model on the GPU, as one would write it down: padded, with an attention mask, greedy."""
    import torch
    from transformers import Wav2Vec2ForCTC

    kind = getattr(torch, precision)
    model: Any = Wav2Vec2ForCTC.from_pretrained(checkpoint).to("cuda", kind).eval()

    @torch.inference_mode()
    def compute(batch: list[Any]) -> Any:
        lengths = torch.tensor([len(clip) for clip in batch])
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in batch], batch_first=True)
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        return model(padded.to("cuda", kind), attention_mask=mask.to("cuda")).logits.argmax(-1).cpu()

    return compute


# --- the service ------------------------------------------------------------------------------------------------------


def _serve(settings: Settings, store: Path, audio: float, count: int) -> dict[str, Any]:
    """A bulk stream through inference_service, and interactive calls, as calibrated."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from serving_parts.bulk import describe_plan, get_statistics, load, transcribe
    from serving_parts.servers import run_service
    from serving_parts.speech import Recording

    from thanosql.types import Priority

    recordings = [Recording(path, 0.0) for path, _ in settings.rows[:count]]
    figures = Figures()
    for threads in (2, 8) if settings.device == "cuda" else (2,):
        options = {"device": settings.device, "decode_threads": threads}
        with run_service(store, settings.workspace, options) as server:
            figures.setdefault("load and calibrate, s", round(load(server.address, MODEL, recordings), 1))
            rates = []
            for _ in range(settings.of(3, 1)):
                answers = transcribe(server.address, MODEL, recordings)
                rates.append(answers.audio_seconds / answers.seconds)
            figures[f"bulk, audio s/s, {threads} decode threads"] = round(max(rates), 1)
            if "plan" not in figures:
                statistics_ = get_statistics(server.address, MODEL)
                figures["plan"] = describe_plan(statistics_)
                figures["reason"] = statistics_.plan.reason if statistics_.plan else ""
                waits = []
                for recording in recordings[: settings.of(20, 3)]:
                    begin = time.perf_counter()
                    transcribe(server.address, MODEL, [recording], priority=Priority.INTERACTIVE)
                    waits.append(time.perf_counter() - begin)
                figures["one call with a channel of its own, ms"] = round(1000 * statistics.median(waits), 1)
                figures["service MB"] = round(server.megabytes)
    figures["audio seconds"] = round(audio)
    return figures


def _ask_too_much(settings: Settings, folder: Path, clips: Sequence[Any]) -> dict[str, Any]:
    """A batch that memory cannot hold fails by itself, and the next one is computed; a batch can be stopped."""
    from inference_service.engines.engine import EngineChoice, Termination, open_engine
    from thanosql.errors import Cancelled
    from thanosql.modelstore import read_description

    figures = Figures()
    engine = open_engine(folder, read_description(folder), EngineChoice(settings.device))
    engine.run(clips[:1])
    if settings.device == "cuda":
        try:
            long = np.concatenate([*clips] * 4)[: 16_000 * 600]
            engine.run([long] * 64)
            figures["64 × 10 minutes"] = "computed"
        except Exception as error:
            figures["64 × 10 minutes"] = f"{type(error).__name__}: {str(error)[:160]}"
        figures["and after that"] = f"{len(engine.run(clips[:1], free_memory=True)[0].tokens)} frames"
    termination = Termination()
    batch = list(clips[:16]) * settings.of(4, 1)
    engine.run(batch)
    threading.Timer(0.02, termination.request).start()
    begin = time.perf_counter()
    try:
        engine.run(batch, termination=termination)
        figures["stopped"] = f"computed in {time.perf_counter() - begin:.3f} s before it could be stopped"
    except Cancelled:
        figures["stopped"] = f"after {time.perf_counter() - begin:.3f} s"
    engine.close()
    return figures
