"""Speed perturbation: a recording played faster or slower, which changes tempo and pitch (Ko et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from thanosql.errors import JobFailed
from trainer_service.data.dataset import Utterance


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance as it is heard once."""

    utterance: Utterance
    speed: float = 1.0

    @property
    def samples(self) -> int:
        """Its length at this speed; resampling may make it one longer or shorter."""
        return math.ceil(self.utterance.samples / self.speed)

    @property
    def key(self) -> tuple[int, float]:
        """The row and the speed: the same recording at the same speed sounds the same."""
        return self.utterance.row, self.speed


def change_speed(samples: Tensor, speed: float, sample_rate: int) -> Tensor:
    """The recording `[samples]` at another speed: `[samples / speed]`, by resampling, on the device it is on."""
    if speed == 1.0:
        return samples
    try:
        from torchaudio.functional import resample
    except (ImportError, OSError) as error:  # missing, or built for another torch
        raise JobFailed(
            f"the speed of recordings cannot be changed: torchaudio cannot be imported ({error})",
            hint="Install the torchaudio of this build of torch, or train with augmentation=False.",
        ) from error

    # Samples that were taken at a higher rate are played at the lower one.
    changed: Tensor = resample(samples, round(sample_rate * speed), sample_rate)
    return changed.to(torch.float32)
