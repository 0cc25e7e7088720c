"""A histogram as it is kept in a report, and as it is shown in a line of text."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie between fixed edges; nothing but numbers, ready for JSON."""

    edges: tuple[float, ...]
    """Ascending; a bin goes from its edge up to, not including, the next one, and the last bin has no end."""
    counts: tuple[int, ...]
    """Values of each bin; as many as edges."""
    least: float
    median: float
    most: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Histogram | None:
        """The histogram that a report holds; None where `values` is something else."""
        if values.keys() != {"edges", "counts", "least", "median", "most"}:
            return None
        return cls(**{**values, "edges": tuple(values["edges"]), "counts": tuple(values["counts"])})

    def line(self) -> str:
        """In one line, the bars from the first bin with something in it to the last.

        >>> make_histogram([0.5, 1.2, 1.4, 1.9, 4.0], (0, 1, 2, 3)).line()
        '▃█▁▃ 0.5 to 4, median 1.4'
        """
        filled = [place for place, count in enumerate(self.counts) if count]
        if not filled:
            return "none"
        bars = _bars(self.counts[filled[0] : filled[-1] + 1])
        return f"{bars} {self.least:.3g} to {self.most:.3g}, median {self.median:.3g}"

    def bins(self) -> tuple[tuple[str, int], ...]:
        """Each bin with something in it: its bounds in words, and its count."""
        bounds = [f"{low:g} to {high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        bounds.append(f"from {self.edges[-1]:g}")
        return tuple((bound, count) for bound, count in zip(bounds, self.counts, strict=True) if count)


def make_histogram(values: Iterable[float], edges: Sequence[float]) -> Histogram:
    """Counts values into bins.

    Args:
        values: None below the first edge.
        edges: Ascending.
    """
    ordered = sorted(values)
    counts = [0] * len(edges)
    for value in ordered:
        counts[bisect_right(edges, value) - 1] += 1
    if not ordered:
        return Histogram(tuple(edges), tuple(counts), 0.0, 0.0, 0.0)
    figures = (ordered[0], statistics.median(ordered), ordered[-1])
    return Histogram(tuple(edges), tuple(counts), *(round(float(each), 3) for each in figures))


def _bars(counts: Sequence[int]) -> str:
    """A bar for each count, the highest for the largest; the lowest for none and nearly none."""
    most = max(counts)
    return "".join(BARS[round(count / most * (len(BARS) - 1))] for count in counts)
