"""How batches are computed on a device: the settings, where they are given, else what was measured."""

from __future__ import annotations

from inference_service.batching import Limits
from inference_service.config import InferenceConfig
from thanosql.types import ServingPlan


def make_plan(config: InferenceConfig, *, device: str, cores: int) -> ServingPlan:
    """What `config` asks for, and the defaults of the device where it leaves the choice.

    On a CPU batching buys nothing (wav2vec2-base, two Zen 4 cores, CPU seconds per second of audio: 0.165 as two
    one-thread runs, 0.175 as one two-thread run, 0.221 in fours), so a batch is one clip and each core has a worker, up
    to four; all share one session and its weights. 16 padded seconds for each worker bound the memory: two clips of
    30 s at once took 2.7 GB, one 1.8, two of 16 s 1.5.

    On an A100 the same model wants about 50 s of audio in a batch (`design: serving`); two workers hide the copying.
    """
    if device == "cpu":
        workers = config.workers or min(cores, 4)
        rows, seconds, concurrent = 1, 30.0, 16.0 * workers
    else:
        workers = config.workers or 2
        rows, seconds, concurrent = 64, 60.0, 60.0 * workers
    return ServingPlan(
        device=device,
        engine="onnxruntime",
        precision="fp32",
        workers=workers,
        threads=config.threads or max(1, cores // workers),
        batch_seconds=config.batch_seconds or seconds,
        batch_rows=config.batch_rows or rows,
        concurrent_seconds=config.concurrent_seconds or max(concurrent, config.batch_seconds),
    )


def make_limits(plan: ServingPlan) -> Limits:
    """What the batching rule needs of a plan."""
    return Limits(seconds=plan.batch_seconds, rows=plan.batch_rows, concurrent_seconds=plan.concurrent_seconds)
