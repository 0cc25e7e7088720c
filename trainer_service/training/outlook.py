"""What a training will be like, told from the amount of data before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, islice

from thanosql.errors import DataError
from thanosql.types import JobSpec, TrainingPlan
from trainer_service.training.batches import plan_steps
from trainer_service.training.recipe import choose_recipe, count_held_out

MOST_ROWS = 20_000
"""Rows whose steps are made; those of more are reckoned from them."""


def plan_training(spec: JobSpec, rows: int, seconds: Sequence[float]) -> TrainingPlan:
    """The plan that the recipe gives.

    Args:
        spec: What the user asked for.
        rows: That can be learned from.
        seconds: Lengths of their recordings, of all rows or of some that stand for the others.

    Raises:
        DataError: there is nothing to learn from.
    """
    if rows < 1 or not seconds or not all(math.isfinite(each) and each > 0 for each in seconds):
        raise DataError("a training needs rows, and recordings that have a length", hint="Send both.")
    mean = sum(seconds) / len(seconds)
    recipe = choose_recipe(spec, rows * mean / 3600, rows)
    held_out = count_held_out(rows, spec.eval_fraction)
    learned = rows - held_out
    drawn = list(islice(cycle(seconds), min(learned, MOST_ROWS)))
    steps = plan_steps(drawn, rows=recipe.step_rows, budget=recipe.step_seconds, seed=recipe.seed, epoch=1)
    return TrainingPlan(
        train_rows=learned,
        held_out_rows=held_out,
        train_seconds=learned * mean,
        epochs=recipe.epochs,
        steps=math.ceil(len(steps) * learned / len(drawn)),
        step_rows=recipe.step_rows,
        learning_rate=recipe.learning_rate,
        is_augmented=len(recipe.speeds) > 1,
        uses_adapters=recipe.lora_rank > 0,
    )
