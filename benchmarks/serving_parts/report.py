"""What was measured: figures with their targets, printed as a table and written as JSON."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

BEGUN = time.perf_counter()


@dataclass(frozen=True)
class Figure:
    """One line of a table."""

    name: str
    value: float | None
    """None: it could not be measured; `note` says why."""
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:.4g}"
        return f"≥ {self.at_least:.4g}" if self.at_least is not None else ""

    @property
    def is_met(self) -> bool | None:
        """None: there is no target."""
        if not self.target:
            return None
        if self.value is None:
            return False
        return self.value <= self.at_most if self.at_most is not None else self.value >= (self.at_least or 0.0)


@dataclass
class Table:
    """The figures of one measurement."""

    title: str
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float | None,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> None:
        figure = Figure(name, value, unit, at_most, at_least, note)
        self.figures.append(figure)
        tell(f"{figure.name}: {_number(figure)} {figure.unit}".rstrip())

    def print(self) -> None:
        width = max((len(figure.name) for figure in self.figures), default=0)
        print(f"\n{self.title}")
        for figure in self.figures:
            mark = {True: "✓", False: "✗", None: ""}[figure.is_met]
            measured = f"{figure.name:{width}}{_number(figure):>10} {figure.unit:10}"
            print(f"  {measured}{figure.target:>9} {mark:2} {figure.note}".rstrip())
        sys.stdout.flush()

    @property
    def as_json(self) -> list[dict[str, object]]:
        return [
            {
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "target": figure.target,
                "met": figure.is_met,
                "note": figure.note,
            }
            for figure in self.figures
        ]


def tell(message: str) -> None:
    """A line of progress."""
    print(f"[{time.perf_counter() - BEGUN:5.0f} s] {message}", file=sys.stderr, flush=True)


def percentile(values: list[float], share: float) -> float:
    """The least of `values` that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def _number(figure: Figure) -> str:
    if figure.value is None:
        return "–"
    size = abs(figure.value)
    return f"{figure.value:.0f}" if size >= 1000 else f"{figure.value:.1f}" if size >= 10 else f"{figure.value:.3f}"
