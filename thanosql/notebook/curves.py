"""The curves of a training, loss and word error rate over its steps, as a picture that the notebook keeps."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thanosql.types import Progress

WIDTH, HEIGHT = 560, 220
"""Of the picture, in pixels."""
MOST_POINTS = 240
"""Of a curve: more than its pixels show only takes room in the notebook."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 48, 26, 34
_TOPS = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
"""Tops of an axis whose quarters are short numbers, times a power of ten."""
_LOSS, _WER, _INK, _GRID = "#1f5fa8", "#b3261e", "#444", "#ddd"

Point = tuple[float, float]
"""Step and value."""


@dataclass
class Curves:
    """What is known of a training's course; `add` takes in progress as it comes."""

    steps: float = 0.0
    """In all."""
    loss: list[Point] = field(default_factory=list)
    wer: list[Point] = field(default_factory=list)
    """A point for each evaluation, a fraction."""
    base_wer: float | None = None
    """Of the base model on the same rows."""

    def add(self, progress: Progress) -> bool:
        """Takes in a moment's figures; whether they are those of a training."""
        loss = progress.figures.get("loss")
        if loss is None:
            return False
        self.steps = progress.total or self.steps
        self.base_wer = progress.figures.get("base_wer", self.base_wer)
        if math.isfinite(loss) and (not self.loss or self.loss[-1][0] < progress.done):
            self.loss.append((progress.done, loss))
        wer = progress.figures.get("wer")
        if wer is not None and math.isfinite(wer) and (not self.wer or self.wer[-1][1] != wer):
            self.wer.append((progress.done, wer))
        if len(self.loss) > 2 * MOST_POINTS:
            self.loss = thin(self.loss)
        return True

    @property
    def sentence(self) -> str:
        """The picture in words, for those who do not see it."""
        parts = [f"training of {self.steps:.0f} steps"]
        if self.loss:
            parts.append(f"loss {self.loss[0][1]:.3g} at first, {self.loss[-1][1]:.3g} at step {self.loss[-1][0]:.0f}")
        if self.base_wer is not None:
            parts.append(f"WER of the base {self.base_wer:.1%}")
        if self.wer:
            parts.append(f"WER {self.wer[-1][1]:.1%}")
        return "; ".join(parts)


def thin(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` of the points, the first and last among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    stride = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(number * stride)] for number in range(MOST_POINTS)]


def as_picture(curves: Curves) -> str:
    """The curves as an HTML image; "" where there is no curve yet.

    An image and not a drawing in the page: front ends show an image of a notebook that they do not trust, too.
    """
    if len(curves.loss) < 2 and not curves.wer:
        return ""
    source = base64.b64encode(draw(curves).encode()).decode()
    return (
        f'<figure><img width="{WIDTH}" height="{HEIGHT}" alt="{escape(curves.sentence, quote=True)}" '
        f'src="data:image/svg+xml;base64,{source}"></figure>'
    )


def draw(curves: Curves) -> str:
    """The curves as SVG: the loss on the left axis, the word error rate in per cent on the right."""
    last = max([curves.steps, 1.0, *(step for step, _ in (*curves.loss, *curves.wer))])
    losses = _scale([value for _, value in curves.loss])
    rates = [*(value for _, value in curves.wer), *([] if curves.base_wer is None else [curves.base_wer])]
    wers = _scale([100 * rate for rate in rates])

    def x(step: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * step / last

    def y(top: float) -> Callable[[float], float]:
        return lambda value: HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top

    parts = [_axes(losses, wers if rates else 0.0, last)]
    at_loss, at_wer = y(losses), y(wers)
    if curves.base_wer is not None:
        height = at_wer(100 * curves.base_wer)
        parts.append(
            f'<path d="M{_LEFT} {height:.1f}H{WIDTH - _RIGHT}" stroke="{_WER}" stroke-dasharray="2 4" fill="none"/>'
        )
    line = [(x(step), at_loss(value)) for step, value in thin(curves.loss)]
    parts.append(_path(line, f'stroke="{_LOSS}" stroke-width="1.5"'))
    dots = [(x(step), at_wer(100 * value)) for step, value in curves.wer]
    parts.append(_path(dots, f'stroke="{_WER}" stroke-width="1.5" stroke-dasharray="6 3"'))
    parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{_WER}"/>' for left, top in dots]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _axes(losses: float, wers: float, last: float) -> str:
    parts = [_text(_LEFT, 15, "— loss", _LOSS)]
    if wers:
        parts.append(_text(_LEFT + 60, 15, "-●- WER of held-out rows, %   ··· of the base model", _WER))
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        height = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * fraction
        parts.append(f'<path d="M{_LEFT} {height:.1f}H{WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 6, height + 4, f"{losses * fraction:.3g}", _LOSS, "end"))
        if wers:
            parts.append(_text(WIDTH - _RIGHT + 6, height + 4, f"{wers * fraction:.3g}", _WER))
        step = round(last * fraction)
        parts.append(_text(_LEFT + (WIDTH - _LEFT - _RIGHT) * fraction, HEIGHT - 18, f"{step:,}", _INK, "middle"))
    parts.append(_text((WIDTH + _LEFT - _RIGHT) / 2, HEIGHT - 4, "steps", _INK, "middle"))
    return "".join(parts)


def _scale(values: Sequence[float]) -> float:
    """The top of an axis from zero: a round number that no value is above."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(highest))
    return next(size * times for times in _TOPS if size * times >= highest * 0.9999)


def _path(points: Sequence[Point], style: str) -> str:
    if len(points) < 2:
        return ""
    return f'<path fill="none" {style} d="M{"L".join(f"{left:.1f} {top:.1f}" for left, top in points)}"/>'


def _text(left: float, top: float, text: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
