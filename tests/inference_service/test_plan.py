"""How batches are computed on a device."""

from __future__ import annotations

import pytest

from inference_service.batching import Limits
from inference_service.config import InferenceConfig
from inference_service.plan import make_limits, make_plan


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (16, 4, 4)])
def test_a_cpu_computes_one_clip_for_each_worker(cores: int, workers: int, threads: int) -> None:
    plan = make_plan(InferenceConfig(), device="cpu", cores=cores)
    assert (plan.workers, plan.threads, plan.batch_rows) == (workers, threads, 1)


def test_a_gpu_computes_large_batches() -> None:
    plan = make_plan(InferenceConfig(), device="cuda", cores=16)
    assert plan.batch_seconds >= 50
    assert plan.batch_rows > 16


def test_what_is_set_is_done() -> None:
    config = InferenceConfig(batch_seconds=90, batch_rows=8, concurrent_seconds=100, workers=3, threads=2)
    plan = make_plan(config, device="cpu", cores=2)
    assert make_limits(plan) == Limits(90, 8, 100)
    assert (plan.workers, plan.threads) == (3, 2)


def test_a_large_batch_that_is_asked_for_may_run() -> None:
    plan = make_plan(InferenceConfig(batch_seconds=90), device="cpu", cores=2)
    assert plan.concurrent_seconds >= plan.batch_seconds
