"""What follows from measured batches: how large they should be, by how many workers, and what one will cost."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from inference_service.planning.exploration import (
    BATCHES_PAY,
    CLEARLY,
    MOST_ROWS,
    WARM_UP_SECONDS,
    Figures,
    Questions,
    Shape,
    choose_workers,
    rate_of,
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a model on a machine, and what follows."""

    workers: int
    threads: int
    batch_rows: int
    """1: single clips."""
    batch_seconds: float
    """Padded seconds at which a batch costs least a second of audio, or nearly; of one clip where rows are 1."""
    audio_rate: float
    """Seconds of audio a second in such batches, all workers together."""
    curve: tuple[tuple[float, float], ...]
    """Padded seconds and seconds of computing, both rising, of batches of clips of `clip_seconds`."""
    clip_seconds: float
    growth: float
    """Seconds of computing for each row, second and second over `clip_seconds`: attention looks at all from each."""
    reason: str
    """What was measured, and what was chosen for it."""
    spent_seconds: float = 0.0
    measured_on: str = ""
    """The day (UTC), as 2026-11-27; empty in files of before it was kept."""


def choose(figures: Figures, questions: Questions) -> Calibration | None:
    """What the figures say; None where the model was too slow for the budget to say anything."""
    ours = [shape for shape in figures if (shape.workers, shape.threads) in questions.workers]
    clips = sorted({shape.seconds for shape in ours if shape.rows == 1} - {WARM_UP_SECONDS}) or [WARM_UP_SECONDS]
    clip = clips[0]
    singles = [shape for shape in ours if shape.rows == 1 and shape.seconds == clip]
    if not singles:
        return None
    singles.sort(key=lambda shape: questions.workers.index((shape.workers, shape.threads)))
    single = choose_workers(singles, figures)
    same = [s for s in ours if (s.workers, s.threads) == (single.workers, single.threads)]
    batches = sorted((s for s in same if s.seconds == clip), key=lambda shape: shape.rows)
    rates = [rate_of(shape, figures[shape]) for shape in batches]
    budget = _find_budget(batches, rates)
    points = [s for s in same if s in batches or s.seconds == WARM_UP_SECONDS]
    curve = _rising(sorted((s.padded_seconds, figures[s]) for s in points))
    longest = max(same, key=lambda shape: (shape.seconds, -shape.rows))
    growth = 0.0
    if longest.seconds > clip:
        extra = figures[longest] - _interpolate(curve, longest.padded_seconds)
        growth = max(0.0, extra) / (longest.padded_seconds * (longest.seconds - clip))
    is_single = budget <= clip
    return Calibration(
        workers=single.workers,
        threads=single.threads,
        batch_rows=1 if is_single else min(MOST_ROWS, questions.most_rows, max(2, round(budget))),
        batch_seconds=budget,
        audio_rate=single.workers * budget / _interpolate(curve, budget),
        curve=curve,
        clip_seconds=clip,
        growth=growth,
        reason=f"{_explain_workers(singles, single, figures)}; {_explain_rows(batches, rates, budget, questions)}",
        spent_seconds=sum(figures.values()),
    )


def expect_cost(calibration: Calibration, rows: int, seconds: float) -> float:
    """Seconds that a batch of `rows`, the longest of `seconds`, will compute, with the other workers busy too."""
    base = _interpolate(calibration.curve, rows * seconds)
    return base + calibration.growth * rows * seconds * max(0.0, seconds - calibration.clip_seconds)


def _find_budget(batches: list[Shape], rates: list[float]) -> float:
    """Padded seconds, in whole clips, from which on larger batches are not clearly faster."""
    clip, best = batches[0].seconds, max(rates)
    if best < BATCHES_PAY * rates[0]:
        return clip
    enough = best / CLEARLY
    at = next(index for index, rate in enumerate(rates) if rate >= enough)
    below, above = batches[at - 1].rows, batches[at].rows
    rows = below + (above - below) * (enough - rates[at - 1]) / (rates[at] - rates[at - 1])
    return clip * max(2, -int(-rows // 1))


def _rising(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """More audio never costs less: where noise says so, it is noise."""
    curve: list[tuple[float, float]] = []
    for padded, elapsed in points:
        curve.append((padded, max(elapsed, curve[-1][1] if curve else 0.0)))
    return tuple(curve)


def _interpolate(curve: tuple[tuple[float, float], ...], padded: float) -> float:
    """Between the points in a straight line, after the last in proportion; what is shorter than the first costs as it.

    Calls are short: a dozen points are looked through for each batch.
    """
    at = bisect_left(curve, (padded, 0.0))
    if at == 0:
        return curve[0][1]
    if at == len(curve):
        return curve[-1][1] * padded / curve[-1][0]
    (x0, y0), (x1, y1) = curve[at - 1], curve[at]
    return y0 + (y1 - y0) * (padded - x0) / (x1 - x0)


def _explain_workers(singles: list[Shape], chosen: Shape, figures: Figures) -> str:
    rate = rate_of(chosen, figures[chosen])
    text = f"{_workers(chosen)} compute {rate:.3g} s of audio a second"
    others = [
        f"{_workers(shape)} {rate_of(shape, figures[shape]) / rate:.2f} × as much"
        for shape in singles
        if shape != chosen
    ]
    return ", ".join((text, *others))


def _explain_rows(batches: list[Shape], rates: list[float], budget: float, questions: Questions) -> str:
    if questions.most_rows == 1:
        return "batches were not in question"
    if len(batches) == 1:
        return "there was no time to measure batches: single clips"
    best = max(range(1, len(batches)), key=rates.__getitem__)
    gain, clip = f"{rates[best] / rates[0]:.2f} × as fast as single clips", batches[0].seconds
    if budget <= clip:
        return f"batches of {batches[best].rows} are {gain}: single clips"
    size = f"batches of {batches[best].rows} clips of {clip:.3g} s"
    return f"{size} are {gain}, and from {budget:.3g} padded seconds on nearly so: batches of {budget:.3g} s"


def _workers(shape: Shape) -> str:
    workers, threads = shape.workers, shape.threads
    return f"{workers} worker{'s' * (workers > 1)} of {threads} thread{'s' * (threads > 1)}"
