"""What a training will be like, told from the amount of data."""

from __future__ import annotations

import pytest

from thanosql.errors import DataError
from thanosql.types import JobKind, JobSpec
from trainer_service.training.outlook import MOST_ROWS, plan_training
from trainer_service.training.recipe import choose_recipe, hold_out


def spec(**values):
    return JobSpec(JobKind.BUILD, "new", "base", **values)


def test_a_tenth_is_held_out_from_fifty_rows_on_as_it_will_be():
    for rows in (1, 20, 49, 50, 51, 333):
        plan = plan_training(spec(), rows, [3.0])
        chosen, _ = hold_out([str(row) for row in range(rows)], None, None, 0)
        assert (plan.held_out_rows, plan.train_rows) == (len(chosen), rows - len(chosen))


def test_the_recipe_is_that_of_the_training():
    few, many = plan_training(spec(), 60, [3.0]), plan_training(spec(), 5_000, [3.0])
    for plan, rows in ((few, 60), (many, 5_000)):
        recipe = choose_recipe(spec(), rows * 3.0 / 3600, rows)
        assert (plan.learning_rate, plan.step_rows, plan.epochs) == (recipe.learning_rate, recipe.step_rows, 5)
        assert plan.is_augmented == (len(recipe.speeds) > 1)
    assert (few.is_augmented, many.is_augmented) == (False, True)


def test_steps_are_counted_by_rows_and_by_seconds():
    assert plan_training(spec(batch_size=10, eval_fraction=0.0), 200, [3.0]).steps == 20
    assert plan_training(spec(batch_size=100, eval_fraction=0.0), 200, [31.0]).steps == 29  # of seven rows each
    assert plan_training(spec(eval_fraction=0.5), 200, [2.0, 4.0]).train_seconds == pytest.approx(300.0)


def test_very_many_rows_are_reckoned_from_some_of_them():
    rows = 10 * MOST_ROWS
    assert plan_training(spec(batch_size=10, eval_fraction=0.0), rows, [3.0]).steps == rows // 10


@pytest.mark.parametrize(("rows", "seconds"), [(0, [1.0]), (5, []), (5, [float("nan")]), (5, [0.0])])
def test_nothing_to_learn_from_has_no_plan(rows, seconds):
    with pytest.raises(DataError):
        plan_training(spec(), rows, seconds)
