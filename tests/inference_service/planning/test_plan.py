"""How settings, what was measured, and what is usual make a plan."""

from __future__ import annotations

import pytest

from inference_service.config import InferenceConfig
from inference_service.planning.calibration import Calibration
from inference_service.planning.plan import ask_about, make_limits, make_plan
from inference_service.scheduling.batching import Limits

BATCHES = Calibration(
    workers=1,
    threads=2,
    batch_rows=8,
    batch_seconds=8.0,
    audio_rate=40.0,
    curve=((2.0, 0.1), (8.0, 0.2)),
    clip_seconds=2.0,
    growth=0.0,
    reason="batches pay",
)


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (16, 4, 4)])
def test_a_cpu_that_was_not_measured_computes_one_clip_for_each_worker(cores: int, workers: int, threads: int) -> None:
    plan = make_plan(InferenceConfig(), device="cpu", cores=cores)
    assert (plan.workers, plan.threads, plan.batch_rows) == (workers, threads, 1)
    assert "not measured" in plan.reason


def test_a_gpu_computes_large_batches() -> None:
    plan = make_plan(InferenceConfig(), device="cuda", cores=16)
    assert plan.batch_seconds >= 50
    assert plan.batch_rows > 16


def test_what_was_measured_is_done() -> None:
    plan = make_plan(InferenceConfig(), device="cpu", cores=2, calibration=BATCHES)
    assert make_limits(plan) == Limits(8, 8, 16)
    assert (plan.workers, plan.threads, plan.audio_rate) == (1, 2, 40)
    assert plan.reason == "batches pay"


def test_what_is_set_is_done_and_said() -> None:
    config = InferenceConfig(batch_seconds=90, batch_rows=8, concurrent_seconds=100, workers=3, threads=2)
    plan = make_plan(config, device="cpu", cores=2)
    assert make_limits(plan) == Limits(90, 8, 100)
    assert (plan.workers, plan.threads) == (3, 2)
    assert plan.reason.endswith("set: workers=3, threads=2, batch_seconds=90, batch_rows=8, concurrent_seconds=100")


@pytest.mark.parametrize("settings", [{"batch_rows": 4}, {"batch_seconds": 20.0}])
def test_batches_that_are_set_are_not_measured(settings: dict[str, float]) -> None:
    config = InferenceConfig(**settings)  # type: ignore[arg-type]
    assert ask_about(config, device="cpu", cores=2).most_rows == 1


def test_workers_that_are_set_are_not_measured() -> None:
    assert ask_about(InferenceConfig(workers=3), device="cpu", cores=6).workers == ((3, 2),)
    assert ask_about(InferenceConfig(threads=2), device="cpu", cores=2).workers == ((2, 2), (1, 2))


def test_an_engine_whose_rows_change_one_another_computes_single_clips() -> None:
    plan = make_plan(InferenceConfig(batch_rows=8), device="cpu", cores=2, precision="int8", max_rows=1)
    assert plan.batch_rows == 1
    assert "in int8 the clips of a batch would change one another" in plan.reason
    assert ask_about(InferenceConfig(), device="cpu", cores=2, max_rows=1).most_rows == 1


def test_a_large_batch_that_is_asked_for_may_run() -> None:
    plan = make_plan(InferenceConfig(batch_seconds=90), device="cpu", cores=2)
    assert plan.concurrent_seconds >= plan.batch_seconds
