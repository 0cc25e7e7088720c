"""The numbers of a training: learning rate, its schedule, steps, masks, augmentation, and what is held out.

After the fine-tuning of wav2vec 2.0 (Baevski et al. 2020, and fairseq's configurations of it), for a base that
already has a CTC head for the language: the head is kept, so nothing of the transformer has to be frozen first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thanosql.types import JobSpec

EVALUATED_FROM_ROWS = 50
"""Usable rows from which on a part is held out without being asked for."""
EVALUATED_FRACTION = 0.1

STEP_SECONDS = 240.0
"""Most seconds of audio in a step: about what wav2vec 2.0 was fine-tuned with on each GPU."""

FEW_ROWS = 100
ROWS_OF_FEW = 4
"""Under so many rows, a step has no more than so many of them: else an epoch is five or six steps, too few to learn
from (measured, `benchmarks/accuracy.py`)."""

RATES = ((1.0, 1e-4), (10.0, 5e-5), (300.0, 3e-5), (math.inf, 1e-4))
"""Learning rate up to so many hours of audio: fairseq's, and twice that for the few steps that there are in less than
an hour (measured, likewise)."""

AUGMENTED_HOURS = 1.0
"""From so many hours of audio on, clips are masked and their speed is perturbed without being asked for. In the few
steps of a training on less, both only make it slower to learn (measured, likewise)."""
TIME_MASK = 0.05
SPEEDS = (0.9, 1.0, 1.1)
"""Factors of speed perturbation (Ko et al. 2015, "Audio augmentation for speech recognition")."""

LORA_RANK = 32
LORA_RATE = 10.0
"""Times the rate of a full training: adapters start from nothing, and are few."""

FROZEN_STEPS = 10_000
"""Most steps in which a new head is trained alone; a tenth of all steps, if that is less."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every number of a training; goes into the report as it is."""

    epochs: int
    step_rows: int
    """Most rows in a step."""
    learning_rate: float
    seed: int
    early_stopping: bool = False
    patience: int = 3
    """Epochs without a better WER on the held-out rows after which early stopping stops."""
    averaged: int = 3
    """So many of the best epochs' weights are averaged at the end, and kept where that is better."""
    step_seconds: float = STEP_SECONDS
    """Most seconds of audio, padding included, in a step. A longer clip is a step of its own."""
    warm_up: float = 0.1
    hold: float = 0.4
    """Shares of the steps in which the rate rises and stays; in the rest it decays."""
    frozen: float = 0.0
    """Share of the steps, at first, in which only the head is trained: for a head that is new."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    time_mask: float = TIME_MASK
    """Share of the frames at which spans of masked frames would begin and end, if they never overlapped."""
    time_mask_frames: int = 10
    channel_mask: float = 0.0
    channel_mask_width: int = 64
    speeds: tuple[float, ...] = (1.0,)
    """Each time that a clip is heard, it is played at one of these speeds."""
    lora_rank: int = 0
    """Of the adapters that are trained in place of the transformer's weights; 0: the weights themselves are."""


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


def choose_recipe(spec: JobSpec, hours: float, rows: int, *, new_head: bool = False) -> Recipe:
    """The recipe for a job; what the user gave stands.

    Args:
        spec: What the user asked for.
        hours: Of audio.
        rows: That can be learned from.
        new_head: Whether the head was made for this alphabet, and knows nothing yet.
    """
    rate = next(rate for most, rate in RATES if hours <= most) * (LORA_RATE if spec.lora else 1.0)
    is_augmented = hours >= AUGMENTED_HOURS if spec.augmentation is None else spec.augmentation
    return Recipe(
        epochs=spec.epochs,
        step_rows=min(spec.batch_size, ROWS_OF_FEW) if rows < FEW_ROWS else spec.batch_size,
        learning_rate=spec.learning_rate or rate,
        seed=spec.seed,
        early_stopping=spec.early_stopping,
        frozen=0.1 if new_head else 0.0,
        time_mask=TIME_MASK if is_augmented else 0.0,
        speeds=SPEEDS if is_augmented else (1.0,),
        lora_rank=LORA_RANK if spec.lora else 0,
    )


def seconds_at_once(size: ModelSize, memory: int) -> float:
    """Padded seconds of audio that are computed together, where so many bytes of memory are free."""
    return max(1.0, round(memory / 2 / size.bytes_per_second, 1))


def draw_speed(recipe: Recipe, epoch: int, row: int) -> float:
    """The speed at which a row is heard in an epoch; the same whenever asked."""
    return random.Random(f"speed {recipe.seed} {epoch} {row}").choice(recipe.speeds)


def frozen_steps(recipe: Recipe, steps: int) -> int:
    """How many of the first steps train the head alone."""
    return min(int(recipe.frozen * steps), FROZEN_STEPS)


def rate_at(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) of so many: up in a line, level, down exponentially to a twentieth."""
    place = (step + 1) / steps
    if place < recipe.warm_up:
        return recipe.learning_rate * place / recipe.warm_up
    if place <= recipe.warm_up + recipe.hold:
        return recipe.learning_rate
    decay = (place - recipe.warm_up - recipe.hold) / (1 - recipe.warm_up - recipe.hold)
    return recipe.learning_rate * math.exp(math.log(0.05) * decay)


def count_held_out(rows: int, fraction: float | None) -> int:
    """How many of so many rows are to be kept for evaluation. `fraction` is as in `hold_out`."""
    if fraction is None:
        fraction = EVALUATED_FRACTION if rows >= EVALUATED_FROM_ROWS else 0.0
    return max(0, min(math.ceil(rows * fraction), rows - 1))


def hold_out(
    files: Sequence[str], speakers: Sequence[str | None] | None, fraction: float | None, seed: int
) -> tuple[tuple[int, ...], str]:
    """Which rows are kept for evaluation, and how they were chosen.

    By whole speakers where there are enough of them, so that the figure is for voices that were not trained on. Rows
    of one file are never parted: what was trained on would be evaluated.

    Args:
        files: Recording of each row.
        speakers: Of each row; None where the table has no such column.
        fraction: Wanted share; None: a tenth from 50 rows on.
        seed: Of the choice.
    """
    rows = len(files)
    wanted = count_held_out(rows, fraction)
    if not wanted:
        return (), "none"
    members: dict[str, list[int]] = {}
    for row, file in enumerate(files):
        members.setdefault(file, []).append(row)
    if speakers is not None and None not in speakers:
        by_speaker: dict[str, list[int]] = {}
        for of_file in members.values():
            by_speaker.setdefault(str(speakers[of_file[0]]), []).extend(of_file)
        # One voice with most of the rows is no sample of voices.
        chosen = _choose_groups(by_speaker, wanted, 2 * wanted, seed)
        if len(chosen) >= wanted:
            return chosen, "by speaker"
    return _choose_groups(members, wanted, rows - 1, seed), "at random"


def _choose_groups(groups: Mapping[str, Sequence[int]], wanted: int, most: int, seed: int) -> tuple[int, ...]:
    """The rows of groups drawn one after the other until there are enough; no group that makes it too many."""
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    chosen: list[int] = []
    for name in names:
        if len(chosen) < wanted and len(chosen) + len(groups[name]) <= most:
            chosen += groups[name]
    return tuple(sorted(chosen))
