"""How batches are computed on a device: the settings, where they are given, else what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from inference_service.batching import Limits
from inference_service.config import InferenceConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model's batches are computed."""

    device: str
    """ "cpu" or "cuda"."""
    limits: Limits
    workers: int
    """Batches computed at once."""
    threads: int
    """CPU threads of each worker."""


def make_plan(config: InferenceConfig, *, device: str, cores: int) -> Plan:
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
    limits = Limits(
        seconds=config.batch_seconds or seconds,
        rows=config.batch_rows or rows,
        concurrent_seconds=config.concurrent_seconds or max(concurrent, config.batch_seconds),
    )
    return Plan(device, limits, workers, config.threads or max(1, cores // workers))
