"""The numbers of a training follow from the data and what the user gave, the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from thanosql.types import JobKind, JobSpec
from trainer_service.training.recipe import (
    SPEEDS,
    ModelSize,
    Recipe,
    choose_recipe,
    draw_speed,
    frozen_steps,
    hold_out,
    rate_at,
    seconds_at_once,
)

SPEC = JobSpec(JobKind.BUILD, "m", "Wav2Vec2En")
SIZE = ModelSize(layers=12, hidden=768, intermediate=3072)
RECIPE = Recipe(epochs=2, step_rows=4, learning_rate=1e-4, seed=0)


def test_the_learning_rate_falls_from_few_hours_to_many_and_rises_for_very_many() -> None:
    rates = [choose_recipe(SPEC, hours, 1000).learning_rate for hours in (0.1, 9, 100, 960)]
    assert rates == [1e-4, 5e-5, 3e-5, 1e-4]


def test_what_the_user_gave_stands() -> None:
    recipe = choose_recipe(replace(SPEC, epochs=7, batch_size=3, learning_rate=1e-3, seed=9), 1.0, 1000)
    assert (recipe.epochs, recipe.step_rows, recipe.learning_rate, recipe.seed) == (7, 3, 1e-3, 9)


def test_few_rows_are_learned_from_in_small_steps() -> None:
    assert choose_recipe(SPEC, 0.1, 99).step_rows == 4
    assert choose_recipe(SPEC, 0.1, 100).step_rows == SPEC.batch_size == 16
    assert choose_recipe(replace(SPEC, batch_size=2), 0.1, 50).step_rows == 2


def test_adapters_are_trained_faster() -> None:
    recipe = choose_recipe(replace(SPEC, lora=True), 1.0, 1000)
    assert recipe.lora_rank > 0
    assert recipe.learning_rate > choose_recipe(SPEC, 1.0, 1000).learning_rate


@pytest.mark.parametrize(
    ("hours", "wanted", "is_augmented"),
    [(0.5, None, False), (5.0, None, True), (0.5, True, True), (5.0, False, False)],
)
def test_from_an_hour_on_clips_are_augmented_and_the_user_has_the_last_word(
    hours: float, wanted: bool | None, is_augmented: bool
) -> None:
    recipe = choose_recipe(replace(SPEC, augmentation=wanted), hours, 1000)
    assert recipe.speeds == (SPEEDS if is_augmented else (1.0,))
    assert (recipe.time_mask > 0) == is_augmented
    assert recipe.channel_mask == 0.0


def test_speeds_are_drawn_evenly_and_again_the_same() -> None:
    recipe = replace(RECIPE, speeds=SPEEDS)
    drawn = [draw_speed(recipe, 1, row) for row in range(3000)]
    assert drawn == [draw_speed(recipe, 1, row) for row in range(3000)]
    assert all(900 < count < 1100 for count in Counter(drawn).values())
    assert drawn != [draw_speed(recipe, 2, row) for row in range(3000)]


def test_a_new_head_is_trained_alone_for_a_tenth_of_the_steps_and_no_more_than_ten_thousand() -> None:
    assert choose_recipe(SPEC, 1.0, 1000).frozen == 0.0
    recipe = choose_recipe(SPEC, 1.0, 1000, new_head=True)
    assert frozen_steps(recipe, 200) == 20
    assert frozen_steps(recipe, 1_000_000) == 10_000


def test_as_much_is_computed_at_once_as_memory_allows() -> None:
    assert 40 < seconds_at_once(SIZE, 8 << 30) < 60
    assert seconds_at_once(SIZE, 64 << 30) == pytest.approx(8 * seconds_at_once(SIZE, 8 << 30), rel=0.01)
    assert seconds_at_once(SIZE, 0) == 1


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


def hold(
    rows: int, speakers: Sequence[str | None] | None, fraction: float | None, seed: int
) -> tuple[tuple[int, ...], str]:
    """Of as many rows of a recording each."""
    return hold_out([f"{row}.flac" for row in range(rows)], speakers, fraction, seed)


def test_a_tenth_is_held_out_from_fifty_rows_on() -> None:
    assert hold(49, None, None, 0) == ((), "none")
    rows, how = hold(80, None, None, 0)
    assert (len(rows), how) == (8, "at random")
    assert hold(80, None, None, 0)[0] == rows
    assert hold(80, None, None, 1)[0] != rows


def test_something_is_always_left_to_learn_from() -> None:
    assert len(hold(2, None, 0.9, 0)[0]) == 1
    assert hold(1, None, 0.9, 0)[0] == ()
    assert hold_out(["same"] * 60, None, None, 0)[0] == ()


def test_whole_speakers_are_held_out() -> None:
    speakers = [f"s{row % 10}" for row in range(100)]
    rows, how = hold(100, speakers, None, 0)
    assert how == "by speaker"
    assert Counter(speakers[row] for row in rows) == {speakers[rows[0]]: 10}


def test_two_speakers_are_too_few_to_hold_one_out() -> None:
    rows, how = hold(100, ["a"] * 50 + ["b"] * 50, 0.1, 0)
    assert (len(rows), how) == (10, "at random")


@pytest.mark.parametrize("speakers", [None, [f"s{row % 10}" for row in range(100)]])
def test_rows_of_one_recording_are_on_one_side(speakers: list[str] | None) -> None:
    """Else what was trained on would be evaluated."""
    files = [f"{row // 2}.flac" for row in range(100)]
    for seed in range(10):
        held_out = set(hold_out(files, speakers, 0.2, seed)[0])
        assert 20 <= len(held_out) <= 40
        assert {files[row] for row in held_out}.isdisjoint(files[row] for row in range(100) if row not in held_out)
