"""What is chosen from the costs of CPUs and GPUs that are not there."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_service.planning.calibration import Calibration, choose, expect_cost
from inference_service.planning.exploration import Questions, Shape, ask, explore

Cost = Callable[[Shape], float]


@dataclass
class Machine:
    """Says what a shape costs, and remembers what it was asked; `noise` adds up to that share at random."""

    cost: Cost
    noise: float = 0.0
    seed: int = 0
    spent: float = 0.0
    asked: list[Shape] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def measure(self, shape: Shape) -> float:
        elapsed = self.cost(shape) * (1 + self._random.uniform(0, self.noise))
        self.asked.append(shape)
        self.spent += elapsed
        return elapsed


def two_cores(shape: Shape) -> float:
    """wav2vec2-base: batching buys nothing, and a second thread is not quite a second worker."""
    rate = shape.workers * 6.3 if shape.threads == 1 else 11.5
    return shape.workers * (shape.padded_seconds + 0.02 * shape.rows * shape.seconds**2) / rate + 0.01


def big_gpu(shape: Shape) -> float:
    """A launch costs 60 ms, and fewer than 50 s of audio do not fill the device."""
    return shape.workers * max(50.0, shape.padded_seconds) / 800 + 0.002


def calibrate(machine: Machine, questions: Questions, budget: float = 4.0) -> Calibration:
    calibration = choose(explore(machine.measure, questions, budget), questions)
    assert calibration is not None
    return calibration


@pytest.mark.parametrize("seed", range(20))
def test_two_cores_compute_single_clips_by_a_worker_each(seed: int) -> None:
    found = calibrate(Machine(two_cores, noise=0.03, seed=seed), ask("cpu", 2))
    assert (found.workers, found.threads, found.batch_rows) == (2, 1, 1)
    assert "single clips: single clips" in found.reason


@pytest.mark.parametrize("seed", range(20))
def test_a_gpu_computes_batches_that_fill_it(seed: int) -> None:
    found = calibrate(Machine(big_gpu, noise=0.03, seed=seed), ask("cuda", 16))
    assert 40 <= found.batch_seconds <= 70
    assert found.batch_rows >= 40
    assert f"batches of {found.batch_seconds:.3g} s" in found.reason


def test_a_cpu_whose_batches_pay_computes_batches() -> None:
    def cost(shape: Shape) -> float:
        return shape.workers * (4.0 + shape.padded_seconds) / 400

    found = calibrate(Machine(cost), ask("cpu", 2))
    assert 8 <= found.batch_seconds <= 16


def test_a_gain_that_is_hardly_one_is_not_worth_the_latency() -> None:
    def cost(shape: Shape) -> float:
        return shape.workers * (0.06 + shape.padded_seconds) / 12

    assert calibrate(Machine(cost), ask("cpu", 2)).batch_rows == 1


def test_threads_are_preferred_where_they_are_clearly_faster() -> None:
    def cost(shape: Shape) -> float:
        return shape.workers * shape.padded_seconds / (14 if shape.threads == 2 else 10)

    found = calibrate(Machine(cost), ask("cpu", 2))
    assert (found.workers, found.threads) == (1, 2)
    assert found.reason.startswith("1 worker of 2 threads compute 14 s of audio a second, 2 workers of 1 thread 0.71 ×")


def test_a_fast_model_is_measured_in_a_fraction_of_the_budget() -> None:
    machine = Machine(lambda shape: two_cores(shape) / 10)
    calibrate(machine, ask("cpu", 2))
    assert machine.spent < 0.6


@given(speed=st.floats(0.01, 100), budget=st.floats(0.1, 20))
def test_measuring_keeps_to_its_budget(speed: float, budget: float) -> None:
    machine = Machine(lambda shape: two_cores(shape) / speed)
    questions = ask("cpu", 2)
    explore(machine.measure, questions, budget)
    warm_up = sum(machine.cost(shape) for shape in machine.asked[: len(questions.workers)])
    longest = max((machine.cost(shape) for shape in machine.asked), default=0.0)
    assert machine.spent <= max(budget, warm_up) + longest


def test_a_model_too_slow_to_be_measured_says_nothing() -> None:
    questions = ask("cpu", 2)
    assert choose(explore(Machine(lambda shape: two_cores(shape) * 1000).measure, questions, 1.0), questions) is None


def test_what_is_given_is_not_measured() -> None:
    machine = Machine(two_cores)
    found = calibrate(machine, ask("cpu", 8, workers=3, threads=2, measures_rows=False))
    assert {(shape.workers, shape.threads, shape.rows) for shape in machine.asked} == {(3, 2, 1)}
    assert (found.workers, found.threads, found.batch_rows) == (3, 2, 1)
    assert found.reason.endswith("batches were not in question")


@pytest.mark.parametrize(
    ("device", "cores", "pairs"),
    [
        ("cpu", 1, ((1, 1),)),
        ("cpu", 2, ((2, 1), (1, 2))),
        ("cpu", 3, ((3, 1), (2, 1), (1, 3))),
        ("cpu", 32, ((4, 8), (2, 16), (1, 32))),
        ("cuda", 16, ((2, 8),)),
    ],
)
def test_the_cores_are_shared_by_a_few_workers(device: str, cores: int, pairs: tuple[tuple[int, int], ...]) -> None:
    assert ask(device, cores).workers == pairs


@given(
    fixed=st.floats(0, 1),
    rate=st.floats(1, 1000),
    growth=st.floats(0, 0.05),
    noise=st.floats(0, 0.2),
    seed=st.integers(0, 9),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_what_is_chosen_can_be_done_and_more_audio_never_costs_less(
    fixed: float, rate: float, growth: float, noise: float, seed: int, device: str
) -> None:
    def cost(shape: Shape) -> float:
        return fixed + shape.workers * shape.padded_seconds * (1 + growth * shape.seconds) / rate

    questions = ask(device, 4)
    found = choose(explore(Machine(cost, noise, seed).measure, questions, 4.0), questions)
    if found is None:
        return
    assert (found.workers, found.threads) in questions.workers
    assert found.clip_seconds <= found.batch_seconds <= questions.most_seconds
    assert found.batch_rows >= 1
    assert found.audio_rate > 0
    costs = [expect_cost(found, 1, seconds) for seconds in (0.1, 0.5, 1, 2, 3, 5, 10, 30)]
    assert costs == sorted(costs)
    costs = [expect_cost(found, rows, 3.0) for rows in range(1, 20)]
    assert costs == sorted(costs)


def test_the_cost_of_what_was_measured_is_what_was_measured() -> None:
    questions = ask("cpu", 2)
    machine = Machine(two_cores)
    found = calibrate(machine, questions)
    for shape in machine.asked:
        if (shape.workers, shape.threads) == (found.workers, found.threads):
            assert expect_cost(found, shape.rows, shape.seconds) == pytest.approx(two_cores(shape), rel=0.01)
    # And of what was not: 30 s in one piece.
    assert expect_cost(found, 1, 30.0) == pytest.approx(two_cores(Shape(2, 1, 1, 30.0)), rel=0.25)
