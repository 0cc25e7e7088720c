"""The numbers of a training: learning rate, its schedule, batches, masks, and what is held out.

After the fine-tuning of wav2vec 2.0 (Baevski et al. 2020, and fairseq's configurations of it), for a base that
already has a CTC head for the language: the head is kept, so nothing of the transformer has to be frozen first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from thanosql.types import JobSpec

EVALUATED_FROM_ROWS = 50
"""Usable rows from which on a part is held out without being asked for."""
EVALUATED_FRACTION = 0.1

BATCH_SECONDS = 240.0
"""Most seconds of audio in a batch, where memory allows it: about what wav2vec 2.0 was fine-tuned with on each GPU."""

RATES = ((10.0, 5e-5), (300.0, 3e-5), (math.inf, 1e-4))
"""Learning rate up to so many hours of audio."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every number of a training; goes into the report as it is."""

    epochs: int
    batch_rows: int
    """Most rows in a batch."""
    learning_rate: float
    seed: int
    early_stopping: bool = False
    patience: int = 3
    """Epochs without a better WER on the held-out rows after which early stopping stops."""
    batch_seconds: float = BATCH_SECONDS
    """Most seconds of audio, padding included, in a batch: what bounds memory. A longer clip is a batch of its own."""
    warm_up: float = 0.1
    hold: float = 0.4
    """Shares of the steps in which the rate rises and stays; in the rest it decays."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    time_mask: float = 0.05
    """Share of the frames at which spans of masked frames would begin and end, if they never overlapped."""
    time_mask_frames: int = 10
    channel_mask: float = 0.0
    channel_mask_width: int = 64


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What the memory of a training depends on."""

    layers: int
    hidden: int
    intermediate: int

    @property
    def bytes_per_second(self) -> float:
        """The most that the backward pass keeps for a second of audio.

        For each layer and frame, eight values as wide as the hidden layer and three as wide as the inner one, in
        float32, times a factor for attention and dropout.

        Measured, by length and precision: 3 to 8 MB for the bundled model (this says 15), 53 to 97 MB for wav2vec2-base
        (this says 92).
        """
        return 50 * self.layers * (8 * self.hidden + 3 * self.intermediate) * 4 * 2.5


def choose_recipe(spec: JobSpec, hours: float, size: ModelSize, memory: int) -> Recipe:
    """The recipe for a job; what the user gave stands.

    Args:
        spec: What the user asked for.
        hours: Of audio.
        size: Of the base model.
        memory: Bytes that are free.
    """
    rate = spec.learning_rate or next(rate for most, rate in RATES if hours <= most)
    seconds = min(BATCH_SECONDS, memory / 2 / size.bytes_per_second)
    return Recipe(
        spec.epochs, spec.batch_size, rate, spec.seed, spec.early_stopping, batch_seconds=max(1.0, round(seconds, 1))
    )


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) of so many: up in a line, level, down exponentially to a twentieth."""
    place = (step + 1) / steps
    if place < recipe.warm_up:
        return recipe.learning_rate * place / recipe.warm_up
    if place <= recipe.warm_up + recipe.hold:
        return recipe.learning_rate
    decay = (place - recipe.warm_up - recipe.hold) / (1 - recipe.warm_up - recipe.hold)
    return recipe.learning_rate * math.exp(math.log(0.05) * decay)


def hold_out(
    rows: int, speakers: Sequence[str | None] | None, fraction: float | None, seed: int
) -> tuple[tuple[int, ...], str]:
    """Which rows are kept for evaluation, and how they were chosen.

    By whole speakers where there are enough of them, so that the figure is for voices that were not trained on.

    Args:
        rows: How many there are.
        speakers: Of each row; None where the table has no such column.
        fraction: Wanted share; None: a tenth from 50 rows on.
        seed: Of the choice.
    """
    if fraction is None:
        fraction = EVALUATED_FRACTION if rows >= EVALUATED_FROM_ROWS else 0.0
    wanted = min(math.ceil(rows * fraction), rows - 1)
    if wanted <= 0:
        return (), "none"
    draw = random.Random(seed)
    if speakers is not None and None not in speakers:
        groups = sorted({speaker for speaker in speakers if speaker is not None})
        draw.shuffle(groups)
        chosen: list[int] = []
        for group in groups:
            members = [row for row, speaker in enumerate(speakers) if speaker == group]
            # One voice with most of the rows is no sample of voices.
            if len(chosen) < wanted and len(chosen) + len(members) <= 2 * wanted:
                chosen += members
        if len(chosen) >= wanted:
            return tuple(sorted(chosen)), "by speaker"
    return tuple(sorted(draw.sample(range(rows), wanted))), "at random"


def plan_batches(seconds: Sequence[float], recipe: Recipe, epoch: int) -> list[list[int]]:
    """The rows of each batch of an epoch; the same whenever asked, other in each epoch.

    Rows of like length go together, so that padding is little: lengths are blurred a little before they are
    sorted, so that not the same rows meet each time, and the batches come in any order.
    """
    draw = random.Random(f"{recipe.seed} {epoch}")
    order = sorted(range(len(seconds)), key=lambda row: seconds[row] * draw.uniform(0.92, 1.08))
    batches: list[list[int]] = []
    longest = 0.0
    for row in order:
        longest = max(longest, seconds[row])
        full = not batches or len(batches[-1]) == recipe.batch_rows
        if full or longest * (len(batches[-1]) + 1) > recipe.batch_seconds:
            batches.append([])
            longest = seconds[row]
        batches[-1].append(row)
    draw.shuffle(batches)
    return batches


def draw_time_mask(frames: Sequence[int], recipe: Recipe, draw: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Frames to hide from the network (SpecAugment, as wav2vec 2.0 does it): bool `[rows, longest]`.

    A clip of under twice the length of a span keeps all its frames: nothing would be left of it.
    """
    mask = np.zeros((len(frames), max(frames)), np.bool_)
    length = recipe.time_mask_frames
    for row, count in enumerate(frames):
        if count < 2 * length:
            continue
        # Rounded up or down by chance, so that short clips get their share on average.
        spans = int(recipe.time_mask * count / length + draw.random())
        for start in draw.choice(count - length + 1, spans, replace=False):
            mask[row, start : start + length] = True
    return mask


def draw_channel_mask(rows: int, channels: int, recipe: Recipe, draw: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Channels of the hidden layer to hide: bool `[rows, channels]`."""
    mask = np.zeros((rows, channels), np.bool_)
    width = min(recipe.channel_mask_width, channels // 2)
    for row in range(rows):
        for start in draw.integers(
            0, channels - width + 1, int(recipe.channel_mask * channels / width + draw.random())
        ):
            mask[row, start : start + width] = True
    return mask
