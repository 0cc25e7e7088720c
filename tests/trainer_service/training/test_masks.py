"""Masks hide what the recipe says, the same of a clip in whatever company, and leave something of short clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_service.training.masks import draw_channel_mask, draw_time_mask, generator
from trainer_service.training.recipe import Recipe

RECIPE = Recipe(epochs=2, step_rows=4, learning_rate=1e-4, seed=0, time_mask=0.05, channel_mask=0.25)


def time_mask(frames: list[int], recipe: Recipe = RECIPE, rows: list[int] | None = None) -> npt.NDArray[np.bool_]:
    return draw_time_mask(frames, recipe, [generator(recipe, 1, row) for row in rows or range(len(frames))])


@pytest.mark.parametrize(("share", "hidden"), [(0.05, 0.048), (0.65, 0.49)])
def test_masks_hide_the_share_that_the_paper_reports(share: float, hidden: float) -> None:
    """wav2vec 2.0: a mask_prob of 0.65 and a length of 10 hide 49 % of the frames; of 0.05, 4.8 %."""
    mask = time_mask([750] * 400, replace(RECIPE, time_mask=share))
    assert mask.mean() == pytest.approx(hidden, abs=0.015)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.floats(0.0, 0.9))
def test_no_clip_is_hidden_wholly_and_no_padding_is_masked(frames: list[int], share: float) -> None:
    mask = time_mask(frames, replace(RECIPE, time_mask=share))
    assert mask.shape == (len(frames), max(frames))
    for row, count in enumerate(frames):
        assert not mask[row, count:].any()
        if count < 20:
            assert not mask[row].any()


def test_short_clips_get_their_share_on_average() -> None:
    # 2 s: half a span of ten frames is wanted, so every other clip has one.
    mask = time_mask([99] * 2000)
    assert mask.mean() == pytest.approx(0.05, abs=0.005)


def test_the_mask_of_a_clip_does_not_depend_on_its_company() -> None:
    together = time_mask([300, 200, 100], rows=[7, 8, 9])
    alone = time_mask([200], rows=[8])
    assert (together[1, :200] == alone[0]).all()
    assert (draw_channel_mask(64, RECIPE, [generator(RECIPE, 1, 8)]) == draw_channel_mask(
        64, RECIPE, [generator(RECIPE, 1, row) for row in (7, 8)]
    )[1]).all()  # fmt: skip


def test_masks_are_others_in_another_epoch_row_or_seed() -> None:
    drawn = [
        generator(replace(RECIPE, seed=seed), epoch, row).random()
        for seed in (0, 1)
        for epoch in (1, 2)
        for row in (3, 4)
    ]
    assert len(set(drawn)) == len(drawn)


def test_channels_are_hidden_in_spans() -> None:
    recipe = replace(RECIPE, channel_mask=0.25, channel_mask_width=64)
    mask = draw_channel_mask(768, recipe, [generator(recipe, 1, row) for row in range(300)])
    assert mask.mean() == pytest.approx(0.22, abs=0.03)
    assert draw_channel_mask(8, recipe, [generator(recipe, 1, 0)]).shape == (1, 8)
