"""SpecAugment as wav2vec 2.0 does it: which frames and channels of a clip are hidden from the transformer.

A clip's masks come from the seed, the epoch and the row alone. So they are the same in whatever company the clip is
computed, on whichever device, and after a training was taken up again; the library draws them from numpy's global
generator, and ends a training whose longest clip in a batch has fewer frames than a mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer_service.training.recipe import Recipe


def generator(recipe: Recipe, epoch: int, row: int) -> np.random.Generator:
    """The source of a clip's masks in an epoch."""
    return np.random.default_rng((recipe.seed, epoch, row))


def draw_time_mask(
    frames: Sequence[int], recipe: Recipe, draws: Sequence[np.random.Generator]
) -> npt.NDArray[np.bool_]:
    """Frames to hide: bool `[rows, longest]`.

    A clip of under twice the length of a span keeps all its frames: nothing would be left of it.

    Args:
        frames: Real frames of each row.
        recipe: Share and length of the masks.
        draws: A source for each row.
    """
    mask = np.zeros((len(frames), max(frames)), np.bool_)
    length = recipe.time_mask_frames
    for row, (count, draw) in enumerate(zip(frames, draws, strict=True)):
        if count < 2 * length:
            continue
        # Rounded up or down by chance, so that short clips get their share on average.
        spans = int(recipe.time_mask * count / length + draw.random())
        for start in draw.choice(count - length + 1, min(spans, count - length + 1), replace=False):
            mask[row, start : start + length] = True
    return mask


def draw_channel_mask(channels: int, recipe: Recipe, draws: Sequence[np.random.Generator]) -> npt.NDArray[np.bool_]:
    """Channels of the hidden layer to hide: bool `[rows, channels]`; a source for each row."""
    mask = np.zeros((len(draws), channels), np.bool_)
    width = min(recipe.channel_mask_width, channels // 2)
    for row, draw in enumerate(draws):
        spans = int(recipe.channel_mask * channels / width + draw.random())
        for start in draw.integers(0, channels - width + 1, spans):
            mask[row, start : start + width] = True
    return mask
