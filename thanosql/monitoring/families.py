"""Families of metrics as data, their samples, and histograms: what a page of metrics is written from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

INFINITY = float("inf")


class Kind(StrEnum):
    """What Prometheus makes of a family."""

    COUNTER = "counter"
    """Only grows, and begins at 0 with the process."""
    GAUGE = "gauge"
    """As it is at the moment of the scrape."""
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the page."""

    name: str
    """The family's, for a histogram with `_bucket`, `_count` or `_sum`."""
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one meaning, told apart by labels. Each label has few values: no paths, ids or names of users."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    def sample(self, value: float, *labels: str) -> Sample:
        """One sample; its labels in the order of the family's."""
        return Sample(self.name, dict(zip(self.labels, labels, strict=True)), value)

    def histogram(self, buckets: Buckets, *labels: str) -> Iterator[Sample]:
        """The samples of a histogram; Prometheus wants each bucket to count those below it too."""
        named = dict(zip(self.labels, labels, strict=True))
        counts = list(accumulate(buckets.counts))
        for bound, below in zip(buckets.bounds, counts, strict=True):
            yield Sample(f"{self.name}_bucket", {**named, "le": write_number(bound)}, below)
        yield Sample(f"{self.name}_count", named, counts[-1])
        yield Sample(f"{self.name}_sum", named, buckets.sum)


def counter(name: str, help: str, *labels: str) -> Family:
    """A family of counters."""
    return Family(name, Kind.COUNTER, help, labels)


def gauge(name: str, help: str, *labels: str) -> Family:
    """A family of gauges."""
    return Family(name, Kind.GAUGE, help, labels)


def histogram(name: str, help: str, *labels: str) -> Family:
    """A family of histograms."""
    return Family(name, Kind.HISTOGRAM, help, labels)


@dataclass(slots=True)
class Buckets:
    """Values counted by the first bound that they do not pass. Whoever adds holds a lock."""

    bounds: tuple[float, ...]
    """The last is infinity."""
    counts: list[int] = field(default_factory=list)
    """Of each bucket alone."""
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * len(self.bounds)

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(frozen=True)
class Metrics:
    """Some families, and what reads their samples when somebody asks for them."""

    families: tuple[Family, ...]
    collect: Callable[[], Iterable[Sample]]


def write_number(value: float) -> str:
    """A number as Prometheus' text format has it."""
    return "+Inf" if value == INFINITY else repr(float(value))
