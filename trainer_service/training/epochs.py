"""The passes over the data: how fast each row is heard in each of them, and in which steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer_service.data.dataset import Utterance
from trainer_service.training.augmentation import Clip
from trainer_service.training.batches import deal, plan_steps
from trainer_service.training.recipe import Recipe, draw_speed


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the data."""

    number: int
    """From 1."""
    clips: tuple[Clip, ...]
    """The rows as they are heard."""
    seconds: tuple[float, ...]
    """Length of each."""
    steps: tuple[tuple[int, ...], ...]
    """Places in `clips`."""

    def share(self, step: int, rank: int, world: int) -> list[int]:
        """What one of several processes computes of a step: places in `clips`."""
        return deal(self.steps[step], self.seconds, rank, world)

    def labels(self, step: int) -> int:
        """Labels in a whole step."""
        return sum(len(self.clips[place].utterance.tokens) for place in self.steps[step])


def plan_epochs(
    train: Sequence[Utterance], recipe: Recipe, *, sample_rate: int, frames: Callable[[int], int]
) -> list[Epoch]:
    """All passes over the data; the same whenever asked, so that a training that is taken up again goes on with them.

    Args:
        train: Rows to learn from.
        recipe: Seed, speeds, size of the steps.
        sample_rate: In Hz.
        frames: How many the model makes of so many samples.
    """
    epochs = []
    for number in range(1, recipe.epochs + 1):
        clips = tuple(_hear(each, recipe, number, frames) for each in train)
        seconds = tuple(clip.samples / sample_rate for clip in clips)
        steps = plan_steps(seconds, rows=recipe.step_rows, budget=recipe.step_seconds, seed=recipe.seed, epoch=number)
        epochs.append(Epoch(number, clips, seconds, tuple(map(tuple, steps))))
    return epochs


def _hear(utterance: Utterance, recipe: Recipe, epoch: int, frames: Callable[[int], int]) -> Clip:
    """A row at the speed of the epoch, or at its own where that would leave fewer frames than CTC needs."""
    clip = Clip(utterance, draw_speed(recipe, epoch, utterance.row))
    pairs = zip(utterance.tokens, utterance.tokens[1:], strict=False)
    needed = len(utterance.tokens) + sum(left == right for left, right in pairs)
    # Resampling may make a clip a sample shorter than planned.
    return clip if frames(clip.samples - 1) >= needed else Clip(utterance)
