"""Which rows are learned from together: the steps of an epoch, and the parts in which a step is computed.

A step is what the optimiser sees: at most so many rows and seconds. How it is computed is another matter: in parts that
fit into memory and hold little padding, whose gradients add up to those of the whole. So the same rows give the same
step on a small machine and on a large one, on one device and on several.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

BLUR = 0.08
"""Lengths are taken so much longer or shorter before they are sorted: not the same rows meet in each epoch."""

WASTE_LIMIT = 0.03
"""Most padding in a part, as a share of its audio."""
WASTE_LIMIT_ON_GPU = 0.25
"""The same on a GPU, where a part more costs what many seconds of padding do."""


def plan_steps(seconds: Sequence[float], *, rows: int, budget: float, seed: int, epoch: int) -> list[list[int]]:
    """The rows of each step of an epoch, by index; the same whenever asked, others in each epoch.

    Rows of like length go together, and the steps come in any order.

    Args:
        seconds: Length of each row.
        rows: Most rows in a step.
        budget: Most seconds of audio in a step, each row counted as long as the longest; a longer row is a step of its
            own.
        seed: Of the order.
        epoch: Of which the steps are, from 1.
    """
    draw = random.Random(f"{seed} {epoch}")
    order = sorted(range(len(seconds)), key=lambda row: seconds[row] * draw.uniform(1 - BLUR, 1 + BLUR))
    steps: list[list[int]] = []
    longest = 0.0
    for row in order:
        longest = max(longest, seconds[row])
        if not steps or len(steps[-1]) == rows or longest * (len(steps[-1]) + 1) > budget:
            steps.append([])
            longest = seconds[row]
        steps[-1].append(row)
    draw.shuffle(steps)
    return steps


def split_step(
    step: Sequence[int], seconds: Sequence[float], at_once: float, waste_limit: float = WASTE_LIMIT
) -> list[list[int]]:
    """The parts in which a step is computed, longest rows first: with little padding, and within memory.

    Args:
        step: Rows, by index.
        seconds: Length of every row.
        at_once: Most padded seconds that memory holds. A longer row is a part of its own.
        waste_limit: Most padding in a part, as a share of its audio.
    """
    parts: list[list[int]] = []
    heard = 0.0
    for row in sorted(step, key=lambda row: -seconds[row]):
        if parts:
            padded = seconds[parts[-1][0]] * (len(parts[-1]) + 1)
            if padded <= at_once and padded <= (1 + waste_limit) * (heard + seconds[row]):
                parts[-1].append(row)
                heard += seconds[row]
                continue
        parts.append([row])
        heard = seconds[row]
    return parts


def deal(step: Sequence[int], seconds: Sequence[float], rank: int, world: int) -> list[int]:
    """The rows of a step that one of `world` processes computes: about as much audio for each, perhaps none."""
    return sorted(step, key=lambda row: -seconds[row])[rank::world]


def choose_waste_limit(device: str) -> float:
    """Most padding in a part on a device of that type."""
    return WASTE_LIMIT_ON_GPU if device == "cuda" else WASTE_LIMIT


def waste(parts: Sequence[Sequence[int]], seconds: Sequence[float]) -> float:
    """Padding in all the parts, as a share of their audio."""
    heard = sum(seconds[row] for part in parts for row in part)
    padded = sum(len(part) * max(seconds[row] for row in part) for part in parts if part)
    return padded / heard - 1 if heard else 0.0
