"""The picture of a training: loss, learning rate and error rates over its steps, as a PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trainer_service.training.curves import Point

WIDTH, HEIGHT = 1200, 800
"""Of the picture, in pixels."""
_DPI = 120
_BLUE, _PALE, _RED, _ORANGE, _GREY, _LINES = "#1f5fa8", "#a9c4e4", "#b3261e", "#d98200", "#6b6b6b", "#e4e4e4"
_MOST_DRAWN = 2_000
"""Points of a line: more than there are columns of pixels show nothing more."""


def draw_picture(points: Sequence[Point], title: str = "") -> bytes:
    """Draws loss and learning rate over the steps and, where rows were held out, the error rates below them.

    Args:
        points: In the order of their steps.
        title: Stands above.

    Returns:
        A PNG of `WIDTH` by `HEIGHT` pixels.
    """
    # The figure's own canvas and not pyplot's: no state that threads share, and no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    evaluations = [point for point in points if "wer" in point.figures]
    if evaluations:
        above, lowest = figure.subplots(2, 1, sharex=True)
        _draw_errors(lowest, evaluations, points)
    else:
        above = lowest = figure.subplots()
    _draw_loss(above, points)
    lowest.set_xlabel("steps")
    lowest.set_xlim(0, max([1, *(point.step for point in points)]) * 1.02)
    lowest.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in {above, lowest}:
        axes.spines["top"].set_visible(False)
        axes.grid(axis="y", color=_LINES, linewidth=0.8)
        axes.set_axisbelow(True)
        if axes.lines:
            # Above the axes, where it hides no line.
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=9, frameon=False, borderaxespad=0.2)
        for step in _ends_of_epochs(points):
            axes.axvline(step, color=_LINES, linewidth=0.8, zorder=0)
    figure.suptitle(title or "Training", fontsize=13, fontweight="bold")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_loss(axes: Axes, points: Sequence[Point]) -> None:
    steps, losses = _series(points, "loss")
    axes.set_ylabel("loss (nats per label)", color=_BLUE)
    axes.tick_params(axis="y", colors=_BLUE)
    if not losses:
        axes.text(0.5, 0.5, "no step was taken", ha="center", va="center", transform=axes.transAxes, color=_GREY)
        return
    span = max(1, len(losses) // 25)
    smooth = _smooth(losses, span)
    axes.plot(steps, losses, color=_PALE, linewidth=1.0, label="loss", zorder=2)
    label = f"smoothed; at the end {fmean(losses[-span:]):.3g}"
    axes.plot(steps, smooth, color=_BLUE, linewidth=1.8, marker="." if len(steps) < 10 else "", label=label, zorder=3)
    if 0 < 10 * min(smooth) < max(smooth):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(0, max(losses) * 1.08 or 1)
    steps, rates = _series(points, "learning_rate")
    if rates:
        axes.plot([], [], color=_GREY, linewidth=1.2, linestyle=":", label="learning rate (right)")
        right = axes.twinx()
        right.plot(steps, rates, color=_GREY, linewidth=1.2, linestyle=":")
        right.set_ylabel("learning rate", color=_GREY)
        right.set_ylim(0, max(rates) * 1.08 or 1)
        right.yaxis.set_major_formatter("{x:.2g}")
        right.tick_params(axis="y", colors=_GREY)
        right.spines["top"].set_visible(False)


def _draw_errors(axes: Axes, evaluations: Sequence[Point], points: Sequence[Point]) -> None:
    axes.set_ylabel("error rate on held-out rows (%)")
    bases = [point.figures["base_wer"] for point in points if "base_wer" in point.figures]
    best = min(evaluations, key=lambda point: (point.figures["wer"], point.figures.get("cer", 0.0)))
    epochs = [point.figures["epoch"] for point in points if point.step <= best.step and "epoch" in point.figures]
    where = f"after epoch {epochs[-1]:.0f}" if epochs else f"after step {best.step}"
    highest = 0.0
    for name, color, size in (("wer", _RED, 5), ("cer", _ORANGE, 3)):
        steps, errors = _series(evaluations, name)
        if name == "wer" and bases and steps[0]:  # before its first step, the model is the base
            steps, errors = [0, *steps], [bases[-1], *errors]
        if errors:
            percents = [100 * each for each in errors]
            axes.plot(steps, percents, color=color, marker="o", markersize=size, label=name.upper(), zorder=3)
            highest = max(highest, *percents)
    if bases:
        highest = max(highest, 100 * bases[-1])
        label = f"WER of the base: {100 * bases[-1]:.1f} %"
        axes.axhline(100 * bases[-1], color=_GREY, linestyle="--", linewidth=1.2, label=label)
    wer = 100 * best.figures["wer"]
    label = f"best: {wer:.1f} % {where}"
    axes.plot(best.step, wer, color=_RED, marker="*", markersize=16, linestyle="", label=label, zorder=4, clip_on=False)
    axes.axvline(best.step, color=_RED, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_ylim(0, highest * 1.08 or 1)


def _smooth(values: Sequence[float], span: int) -> list[float]:
    """The mean of each value and those around it, `span` in all, and fewer towards the ends."""
    sums = [0.0, *accumulate(values)]
    reach = [min(span // 2, i, len(values) - 1 - i) for i in range(len(values))]
    return [(sums[i + r + 1] - sums[i - r]) / (2 * r + 1) for i, r in enumerate(reach)]


def _series(points: Sequence[Point], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of a figure: its evenly chosen points, and always the last."""
    having = [point for point in points if name in point.figures]
    stride = max(1, math.ceil(len(having) / _MOST_DRAWN))
    chosen = having[::-stride][::-1]
    return [point.step for point in chosen], [point.figures[name] for point in chosen]


def _ends_of_epochs(points: Sequence[Point]) -> list[int]:
    """Steps after which another epoch began; none where they are too many to be told apart."""
    having = [point for point in points if "epoch" in point.figures]
    ends = [before.step for before, after in pairwise(having) if after.figures["epoch"] > before.figures["epoch"]]
    return ends if len(ends) <= 40 else []
