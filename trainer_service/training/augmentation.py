"""Speed perturbation: a recording played faster or slower, which changes tempo and pitch (Ko et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

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
    # Samples that were taken at a higher rate are played at the lower one.
    return resample(samples.to(torch.float32), round(sample_rate * speed), sample_rate)


ZERO_CROSSINGS = 6
"""Of the sinc, on each side of its middle, that are kept: more are slower, and cut the band more sharply."""
ROLLOFF = 0.99
"""Share of the band that is kept: the rest is where the filter falls, and would fold back."""


def resample(samples: Tensor, rate: int, new_rate: int) -> Tensor:
    """The signal `[samples]` of `rate` at `new_rate`: float32 `[ceil(samples * new_rate / rate)]`.

    Band-limited interpolation with a sinc under a Hann window (J. O. Smith, "Digital Audio Resampling"), one filter for
    each of the phases that new samples can have between old ones.
    """
    common = math.gcd(rate, new_rate)
    old, new = rate // common, new_rate // common
    kernel, reach = _filters(old, new)
    padded = torch.nn.functional.pad(samples, (reach, reach + old))
    phases = torch.nn.functional.conv1d(padded[None, None], kernel.to(samples.device)[:, None], stride=old)
    return phases[0].T.reshape(-1)[: math.ceil(samples.shape[0] * new / old)]


@cache
def _filters(old: int, new: int) -> tuple[Tensor, int]:
    """Weights `[new, 2 * reach + old]` of old samples in each of `new` new ones that follow, and how far they reach."""
    # Cycles of the sinc in one old sample: the lower of the two rates bounds the band.
    band = min(1.0, new / old) * ROLLOFF
    reach = math.ceil(ZERO_CROSSINGS / band)
    at_old = torch.arange(-reach, reach + old, dtype=torch.float64)
    at_new = torch.arange(new, dtype=torch.float64) * old / new
    distance = ((at_old - at_new[:, None]) * band).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(distance * math.pi / ZERO_CROSSINGS / 2).square()
    return (torch.sinc(distance) * window * band).to(torch.float32), reach
