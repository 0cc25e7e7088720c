"""Steps hold every row once and little padding, and how a step is parted follows from memory and lengths alone."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from trainer_service.training.batches import WASTE_LIMIT, choose_waste_limit, deal, plan_steps, split_step, waste

lengths = st.lists(st.floats(0.1, 40.0), min_size=1, max_size=60)


@given(lengths, st.integers(1, 16), st.floats(1.0, 240.0), st.integers(0, 3))
def test_every_row_is_in_one_step_of_an_epoch(seconds: list[float], rows: int, budget: float, seed: int) -> None:
    steps = plan_steps(seconds, rows=rows, budget=budget, seed=seed, epoch=1)
    assert Counter(row for step in steps for row in step) == Counter(range(len(seconds)))
    assert all(0 < len(step) <= rows for step in steps)
    assert all(len(step) == 1 or max(seconds[row] for row in step) * len(step) <= budget for step in steps)


def test_steps_are_the_same_for_a_seed_and_an_epoch_and_others_for_others() -> None:
    seconds = [random.Random(row).uniform(1, 15) for row in range(200)]

    def plan(seed: int, epoch: int) -> list[list[int]]:
        return plan_steps(seconds, rows=8, budget=240, seed=seed, epoch=epoch)

    assert plan(0, 1) == plan(0, 1)
    assert plan(0, 1) != plan(0, 2) != plan(1, 2)
    met = {frozenset(step) for step in plan(0, 1)} & {frozenset(step) for step in plan(0, 2)}
    assert len(met) < 5


@given(lengths, st.floats(1.0, 240.0))
def test_parts_hold_every_row_once_little_padding_and_no_more_than_memory(seconds: list[float], at_once: float) -> None:
    parts = split_step(range(len(seconds)), seconds, at_once)
    assert Counter(row for part in parts for row in part) == Counter(range(len(seconds)))
    for part in parts:
        assert len(part) == 1 or len(part) * max(seconds[row] for row in part) <= at_once
        assert waste([part], seconds) <= WASTE_LIMIT + 1e-9


def test_a_gpu_takes_more_padding_for_fewer_parts() -> None:
    seconds = [4.0, 4.2, 4.5, 4.9, 5.0]
    assert len(split_step(range(5), seconds, 240.0, choose_waste_limit("cpu"))) == 3
    assert len(split_step(range(5), seconds, 240.0, choose_waste_limit("cuda"))) == 1


@given(lengths, st.integers(1, 5))
def test_a_step_is_dealt_to_all_processes_once(seconds: list[float], world: int) -> None:
    step = list(range(len(seconds)))
    shares = [deal(step, seconds, rank, world) for rank in range(world)]
    assert sorted(row for share in shares for row in share) == step
    # About as much for each: no two differ by more than the longest.
    heard = [sum(seconds[row] for row in share) for share in shares]
    assert max(heard) - min(heard) <= max(seconds) + 1e-9


@pytest.mark.parametrize("rows", [1, 4, 16, 64])
def test_padding_is_under_three_per_cent_of_the_lengths_of_librispeech(speech: Path, rows: int) -> None:
    with (speech / "librispeech" / "train.csv").open(encoding="utf-8", newline="") as file:
        seconds = [soundfile.info(speech / row["audio_path"]).duration for row in csv.DictReader(file)]
    steps = plan_steps(seconds, rows=rows, budget=240, seed=0, epoch=1)
    parts = [part for step in steps for part in split_step(step, seconds, 240)]
    assert waste(parts, seconds) < 0.03


def test_nothing_has_no_padding() -> None:
    assert waste([], []) == 0.0
    assert split_step([], [], 10.0) == []
