"""The numbers of a training follow from the data and what the user gave, the same each time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thanosql.types import JobKind, JobSpec
from trainer_service.recipe import (
    ModelSize,
    Recipe,
    choose_recipe,
    draw_channel_mask,
    draw_time_mask,
    hold_out,
    plan_batches,
    rate_at,
)

SPEC = JobSpec(JobKind.BUILD, "m", "Wav2Vec2En")
SIZE = ModelSize(layers=12, hidden=768, intermediate=3072)
RECIPE = Recipe(epochs=2, batch_rows=4, learning_rate=1e-4, seed=0)


@pytest.mark.parametrize(("hours", "rate"), [(0.1, 5e-5), (9, 5e-5), (100, 3e-5), (960, 1e-4)])
def test_the_learning_rate_follows_the_amount_of_data(hours: float, rate: float) -> None:
    assert choose_recipe(SPEC, hours, SIZE, 64 << 30).learning_rate == rate


def test_what_the_user_gave_stands() -> None:
    recipe = choose_recipe(replace(SPEC, epochs=7, batch_size=3, learning_rate=1e-3, seed=9), 1.0, SIZE, 64 << 30)
    assert (recipe.epochs, recipe.batch_rows, recipe.learning_rate, recipe.seed) == (7, 3, 1e-3, 9)


def test_a_batch_is_as_large_as_memory_allows() -> None:
    assert choose_recipe(SPEC, 1.0, SIZE, 64 << 30).batch_seconds == 240
    assert 40 < choose_recipe(SPEC, 1.0, SIZE, 8 << 30).batch_seconds < 60
    assert choose_recipe(SPEC, 1.0, SIZE, 0).batch_seconds == 1


def test_the_rate_rises_stays_and_decays() -> None:
    rates = [rate_at(RECIPE, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[9:50] == pytest.approx([1e-4] * 41)
    assert rates[-1] == pytest.approx(5e-6)
    assert sorted(rates[:10]) == rates[:10]
    assert sorted(rates[50:], reverse=True) == rates[50:]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_training_of_few_steps_has_a_rate_at_each(steps: int) -> None:
    assert all(0 < rate_at(RECIPE, step, steps) <= 1e-4 for step in range(steps))


def test_a_tenth_is_held_out_from_fifty_rows_on() -> None:
    assert hold_out(49, None, None, 0) == ((), "none")
    rows, how = hold_out(80, None, None, 0)
    assert (len(rows), how) == (8, "at random")
    assert hold_out(80, None, None, 0)[0] == rows
    assert hold_out(80, None, None, 1)[0] != rows


def test_something_is_always_left_to_learn_from() -> None:
    assert len(hold_out(2, None, 0.9, 0)[0]) == 1
    assert hold_out(1, None, 0.9, 0)[0] == ()


def test_whole_speakers_are_held_out() -> None:
    speakers = [f"s{row % 10}" for row in range(100)]
    rows, how = hold_out(100, speakers, None, 0)
    assert how == "by speaker"
    assert Counter(speakers[row] for row in rows) == {speakers[rows[0]]: 10}


def test_two_speakers_are_too_few_to_hold_one_out() -> None:
    rows, how = hold_out(100, ["a"] * 50 + ["b"] * 50, 0.1, 0)
    assert (len(rows), how) == (10, "at random")


@given(st.lists(st.floats(0.1, 40.0), min_size=1, max_size=200), st.integers(1, 32), st.integers(0, 5))
def test_batches_hold_each_row_once_and_keep_their_limits(seconds: list[float], rows: int, epoch: int) -> None:
    recipe = replace(RECIPE, batch_rows=rows)
    batches = plan_batches(seconds, recipe, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(seconds)))
    for batch in batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(seconds[row] for row in batch) <= recipe.batch_seconds
    assert plan_batches(seconds, recipe, epoch) == batches


def test_padding_is_a_few_per_cent_and_batches_differ_between_epochs() -> None:
    seconds = np.random.default_rng(0).uniform(1, 20, 1_000).tolist()
    recipe = replace(RECIPE, batch_rows=16)
    batches = plan_batches(seconds, recipe, 0)
    padded = sum(len(batch) * max(seconds[row] for row in batch) for batch in batches)
    assert padded / sum(seconds) < 1.1
    assert {frozenset(batch) for batch in batches}.isdisjoint(
        frozenset(batch) for batch in plan_batches(seconds, recipe, 1)
    )


@pytest.mark.parametrize(("share", "masked"), [(0.05, 0.048), (0.65, 0.48)])
def test_masks_cover_the_share_that_the_literature_gives(share: float, masked: float) -> None:
    mask = draw_time_mask([500] * 200, replace(RECIPE, time_mask=share), np.random.default_rng(0))
    assert mask.mean() == pytest.approx(masked, abs=0.02)


def test_short_clips_and_padding_are_not_masked() -> None:
    recipe = replace(RECIPE, time_mask=0.65)
    mask = draw_time_mask([1, 9, 19, 400], recipe, np.random.default_rng(0))
    assert not mask[:3].any()
    assert mask[3].any()
    assert draw_time_mask([5], recipe, np.random.default_rng(0)).shape == (1, 5)
    mask = draw_time_mask([100, 400], recipe, np.random.default_rng(0))
    assert not mask[0, 100:].any()


def test_channels_are_masked_in_spans() -> None:
    mask = draw_channel_mask(50, 384, replace(RECIPE, channel_mask=0.25), np.random.default_rng(0))
    assert mask.shape == (50, 384)
    assert 0.1 < mask.mean() < 0.3
