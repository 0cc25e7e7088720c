"""A recording at another speed is the same sound, faster or slower."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from trainer_service.training.augmentation import change_speed, resample

RATE = 16_000


def tone(hertz: float, seconds: float, rate: int = RATE) -> Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * rate), dtype=torch.float64) / rate).float()


@pytest.mark.parametrize(("rate", "new_rate"), [(14_400, RATE), (17_600, RATE), (RATE, 8_000), (8_000, RATE)])
def test_a_tone_stays_the_same_tone_at_another_rate(rate: int, new_rate: int) -> None:
    expected = tone(440, 1, new_rate)
    resampled = resample(tone(440, 1, rate), rate, new_rate)
    # Away from the ends, beyond which there is silence.
    inside = slice(100, -100)
    assert torch.allclose(resampled[inside], expected[inside], atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    assert resample(tone(6_000, 1), RATE, 8_000)[100:-100].abs().max() < 1e-2


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_a_tone_gets_higher_and_shorter_by_the_speed(speed: float) -> None:
    changed = change_speed(tone(400, 1), speed, RATE)
    assert len(changed) == math.ceil(RATE / speed)
    assert torch.allclose(changed[100:-100], tone(400 * speed, 2)[: len(changed)][100:-100], atol=2e-3)


def test_its_own_speed_leaves_a_recording_as_it_is() -> None:
    samples = tone(400, 0.1)
    assert change_speed(samples, 1.0, RATE) is samples
