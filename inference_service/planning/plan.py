"""How a model's batches are computed: what the settings say, else what was measured, else the device's habit."""

from __future__ import annotations

from inference_service.config import InferenceConfig
from inference_service.planning.calibration import Calibration
from inference_service.planning.exploration import Questions, ask
from inference_service.scheduling.batching import Limits
from thanosql.types import ServingPlan

CPU_CLIP_SECONDS = 30.0
CPU_CONCURRENT_SECONDS = 16.0
"""Padded seconds for each worker, which bounds the memory: with wav2vec2-base two clips of 30 s at once took 2.7 GB,
one 1.8, two of 16 s 1.5."""
GPU_BATCH_SECONDS, GPU_BATCH_ROWS = 60.0, 64
"""An A100 wants about 50 s of audio in a batch of wav2vec2-base."""


def ask_about(config: InferenceConfig, *, device: str, cores: int, max_rows: int = 0) -> Questions:
    """What a calibration is to find out: what the settings, and an engine that takes `max_rows`, leave open."""
    measures_rows = not (config.batch_rows or config.batch_seconds) and max_rows != 1
    return ask(device, cores, workers=config.workers, threads=config.threads, measures_rows=measures_rows)


def make_plan(
    config: InferenceConfig,
    *,
    device: str,
    cores: int,
    engine: str = "onnxruntime",
    precision: str = "fp32",
    max_rows: int = 0,
    calibration: Calibration | None = None,
    reason: str = "",
) -> ServingPlan:
    """What `config` asks for; where it leaves the choice, what `calibration` says; without one, what is usual.

    Usual on a CPU are single clips, for which batching buys nothing, and a worker for each core, up to four, that share
    one session and its weights; on a GPU large batches, and two workers, which hide the copying.

    Args:
        config: The settings.
        device: "cpu" or "cuda".
        cores: CPU cores.
        engine: "onnxruntime" or "openvino".
        precision: "fp32", "bf16" or "int8".
        max_rows: The most rows that the engine takes in this precision; 0: any number.
        calibration: None: not measured.
        reason: Why this engine and precision.
    """
    is_cpu = device == "cpu"
    workers, threads = ask_about(config, device=device, cores=cores).workers[0]
    rows, seconds = (1, CPU_CLIP_SECONDS) if is_cpu else (GPU_BATCH_ROWS, GPU_BATCH_SECONDS)
    batches_are_set = bool(config.batch_rows or config.batch_seconds)
    if calibration is not None:
        workers, threads = calibration.workers, calibration.threads
        if not batches_are_set and max_rows != 1:
            rows = calibration.batch_rows
            seconds = calibration.batch_seconds if rows > 1 else CPU_CLIP_SECONDS
    rows, seconds = config.batch_rows or rows, config.batch_seconds or seconds
    if max_rows:
        rows = min(rows, max_rows)
    each = CPU_CONCURRENT_SECONDS if is_cpu else max(seconds, CPU_CLIP_SECONDS)
    return ServingPlan(
        device=device,
        engine=engine,
        precision=precision,
        workers=workers,
        threads=threads,
        batch_seconds=seconds,
        batch_rows=rows,
        concurrent_seconds=config.concurrent_seconds or max(each * workers, config.batch_seconds),
        audio_rate=calibration.audio_rate if calibration else 0.0,
        reason="; ".join(filter(None, (reason, *_explain(config, calibration, device, precision, max_rows)))),
    )


def make_limits(plan: ServingPlan) -> Limits:
    """What the batching rule needs of a plan."""
    return Limits(seconds=plan.batch_seconds, rows=plan.batch_rows, concurrent_seconds=plan.concurrent_seconds)


def waiting_seconds(plan: ServingPlan) -> float:
    """Seconds of bulk audio that are held for a model where the setting leaves it open.

    Enough to find recordings of like length for a batch: with batches of 60 s, padding was 11.5 % of the audio with
    300 s, 6.7 % with 600, 4.4 % with 1,200 (77 MB of samples).
    """
    return max(300.0, 20 * plan.batch_seconds) if plan.batch_rows > 1 else 300.0


def _explain(
    config: InferenceConfig, calibration: Calibration | None, device: str, precision: str, max_rows: int
) -> list[str]:
    said = [calibration.reason if calibration else f"not measured: the defaults of a {device}"]
    if max_rows == 1:
        said.append(f"single clips, because in {precision} the clips of a batch would change one another")
    names = ("workers", "threads", "batch_seconds", "batch_rows", "concurrent_seconds")
    given = [f"{name}={getattr(config, name):g}" for name in names if getattr(config, name)]
    if given:
        said.append(f"set: {', '.join(given)}")
    return said
