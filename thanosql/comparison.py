"""Whether one model is better than another on the same rows, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from thanosql.bootstrap import FEWEST_UNITS, Interval, divide, find_interval, resample_sums
from thanosql.evaluation import Evaluation, Unit

Metric = Literal["wer", "cer"]

_COLUMNS: dict[Metric, tuple[int, int]] = {"wer": (0, 1), "cer": (2, 3)}
"""Of `RowCounts.counts`: errors and length."""

_MOST_DECIMALS = 3
_MANY_TIMES = 100
"""Times the rows from which on it is not said how many would show a difference: nobody will record them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two error rates on the same rows and what lies between them; fractions, not per cent."""

    metric: Metric
    before: float
    after: float
    difference: Interval
    """After minus before: below zero where it got better."""
    rows: int
    resampled_by: Unit
    units: int
    """How many rows or speakers were drawn from."""

    @property
    def is_shown(self) -> bool:
        """Whether the interval of the difference excludes zero: better or worse, it is not by chance."""
        return self.difference.excludes_zero

    @property
    def sentence(self) -> str:
        """The rates in per cent, and the 95 % interval of their difference in percentage points.

        >>> Comparison("wer", 0.121, 0.084, Interval(-0.037, -0.050, -0.025), 400, "row", 400).sentence
        '12.1 → 8.4 (95 %: −5.0 … −2.5)'
        """
        if self.difference.low is None or self.difference.high is None:
            return f"{100 * self.before:.1f} → {100 * self.after:.1f}"
        ends = (100 * self.difference.low, 100 * self.difference.high)
        decimals = 1
        # What excludes zero does not read as though it did not.
        while self.is_shown and decimals < _MOST_DECIMALS and min(abs(round(end, decimals)) for end in ends) == 0:
            decimals += 1
        low, high = (_with_sign(end, decimals) for end in ends)
        return f"{100 * self.before:.{decimals}f} → {100 * self.after:.{decimals}f} (95 %: {low} … {high})"

    @property
    def warning(self) -> str:
        """What to say where no difference has been shown, and what to do about it; "" where one has been."""
        if self.is_shown:
            return ""
        drawn = f"{self.units} {self.resampled_by}{'s' * (self.units != 1)}"
        if self.difference.low is None:
            return (
                f"No difference has been shown: {drawn} {'is' if self.units == 1 else 'are'} too few for an interval, "
                f"it takes {FEWEST_UNITS} or more. Hold out more rows."
            )
        more = "Hold out more rows" + (", of more speakers" if self.resampled_by == "speaker" else "")
        needed = _count_needed(self.difference, self.rows)
        if needed is None:
            size = f"a difference as small takes more than {_MANY_TIMES} times as many to show"
            advice = f"{more}, or take the two to be alike: {size}."
        else:
            advice = f"{more}: about {needed:,} like these would show a difference of this size."
        return (
            f"No difference has been shown: the interval includes zero, so that {drawn} drawn otherwise may say the "
            f"opposite. {advice}"
        )


def compare(before: Evaluation, after: Evaluation, *, metric: Metric = "wer", seed: int = 0) -> Comparison:
    """Compares two models by their transcripts of the same rows.

    The difference is taken within each resample of the rows (Bisani & Ney 2004): what makes a row hard
    makes it hard for both models, so that a difference may be certain where the two intervals overlap.

    Args:
        before: Of the one model, the base.
        after: Of the other, over the same rows in the same order.
        metric: "wer", or "cer" for languages that are written without spaces.
        seed: Of the bootstrap.

    Raises:
        ValueError: the two are not of the same rows.

    >>> from thanosql.evaluation import evaluate
    >>> said = [f"number {n}" for n in range(100)]
    >>> base, model = evaluate(said, ["number"] * 100), evaluate(said, said)
    >>> compare(base, model).sentence
    '50.0 → 0.0 (95 %: −50.0 … −50.0)'
    """
    errors, length = _COLUMNS[metric]
    left, right = before.row_counts, after.row_counts
    if left.speakers != right.speakers or not np.array_equal(left.counts[:, 1::2], right.counts[:, 1::2]):
        raise ValueError("the two evaluations are not of the same rows in the same order")
    (old, unit), (new, _) = left.units(), right.units()
    scores = [getattr(each, metric).score for each in (before, after)]
    difference = Interval(scores[1] - scores[0])
    if len(old):
        sums = resample_sums(np.stack([old[:, errors], new[:, errors], old[:, length]], axis=1), seed)
        difference = find_interval(difference.score, divide(sums[:, 1] - sums[:, 0], sums[:, 2]), len(old))
    return Comparison(metric, scores[0], scores[1], difference, before.rows, unit, len(old))


def _with_sign(points: float, decimals: int) -> str:
    """A number with the true minus sign, or a plus; zero has neither."""
    text = f"{points:+.{decimals}f}"
    return text[1:] if not float(text) else text.replace("-", "−")


def _count_needed(difference: Interval, rows: int) -> int | None:
    """Rows that would show a difference of this size four times in five, if it is real; None where too many.

    The interval narrows with the root of the rows. It excludes zero with a probability of 80 % where the
    difference is 1.96 + 0.84 standard errors (any text on the power of tests).
    """
    if difference.low is None or difference.high is None or not difference.score:
        return None
    standard_error = (difference.high - difference.low) / (2 * 1.96)
    times = ((1.96 + 0.84) * standard_error / difference.score) ** 2
    if times > _MANY_TIMES:
        return None
    digits: int = 10 ** max(int(math.log10(rows * times)) - 1, 0)
    return math.ceil(rows * times / digits) * digits
