"""What a model's service has done, counted once: statistics, the metrics and the protocols read the same figures."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum

from inference_service.scheduling.batching import Closed as Closed
from thanosql.types import Priority


class Outcome(StrEnum):
    """How a request ended. A request is a clip of a stream, or a call of the Open Inference Protocol."""

    SUCCESS = "success"
    FAILED = "failed"
    """The recording cannot be used, or the model failed."""
    REJECTED = "rejected"
    """Refused at the door: too much waits, or its deadline could not be met."""
    CANCELLED = "cancelled"
    """Given up by its caller."""
    LATE = "late"
    """Not answered by its deadline."""


@dataclass(frozen=True, slots=True)
class RequestReport:
    """A request has ended."""

    outcome: Outcome
    priority: Priority
    seconds: float
    """From its arrival to its answer."""
    reason: str = ""
    """Of a failure or rejection, in a word or two to count by."""


@dataclass(frozen=True, slots=True)
class RowReport:
    """A row of a batch that was computed."""

    priority: Priority
    audio_seconds: float
    queue_seconds: float


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch was computed."""

    rows: tuple[RowReport, ...]
    padded_seconds: float
    compute_seconds: float
    closed: Closed


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a model now, of one class."""

    rows: int = 0
    """Clips, or pieces of them."""
    seconds: float = 0.0
    """Of audio."""


INFINITY = float("inf")
ANSWER_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, INFINITY)
"""Seconds from arrival to answer: a request is counted under the first bound that it does not pass."""
ROW_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, INFINITY)
"""Rows of a batch."""
PADDED_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0, INFINITY)
"""Padded seconds of a batch."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums since the service started."""

    requests: Counter[tuple[Outcome, Priority, str]] = field(default_factory=Counter)
    """By outcome, class and reason."""
    answer_seconds: dict[Priority, float] = field(default_factory=lambda: dict.fromkeys(Priority, 0.0))
    """From arrival to answer, of the requests that succeeded, by class."""
    answered_within: Counter[tuple[Priority, float]] = field(default_factory=Counter)
    """The requests that succeeded, by class and bound of `ANSWER_BOUNDS`."""
    batch_rows: Counter[float] = field(default_factory=Counter)
    """Batches by bound of `ROW_BOUNDS`."""
    batch_padded: Counter[float] = field(default_factory=Counter)
    """Batches by bound of `PADDED_BOUNDS`."""
    batches_of: Counter[int] = field(default_factory=Counter)
    """Batches by their rows."""
    seconds_of: dict[int, float] = field(default_factory=dict)
    """Their computing, by their rows."""
    batches: int = 0
    rows: int = 0
    audio_seconds: float = 0.0
    padded_seconds: float = 0.0
    compute_seconds: float = 0.0
    """Of the batches."""
    row_compute_seconds: float = 0.0
    """Of the rows: each counts its whole batch."""
    queue_seconds: float = 0.0
    closed: Counter[Closed] = field(default_factory=Counter)

    @property
    def request_seconds(self) -> float:
        """From arrival to answer, of all requests that succeeded."""
        return sum(self.answer_seconds.values())

    def count(self, *outcomes: Outcome) -> int:
        """Requests that ended so."""
        return sum(number for (outcome, _, _), number in self.requests.items() if outcome in outcomes)


class ModelFigures:
    """Sums up reports; any thread may give one. They outlive the model's reloads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums = Figures()

    def record_request(self, report: RequestReport) -> None:
        """A request has ended."""
        with self._lock:
            sums = self._sums
            sums.requests[report.outcome, report.priority, report.reason] += 1
            if report.outcome is Outcome.SUCCESS:
                sums.answer_seconds[report.priority] += report.seconds
                sums.answered_within[report.priority, _bound(ANSWER_BOUNDS, report.seconds)] += 1

    def record_batch(self, report: BatchReport) -> None:
        """A batch was computed."""
        with self._lock:
            sums = self._sums
            sums.closed[report.closed] += 1
            rows = len(report.rows)
            sums.batches_of[rows] += 1
            sums.seconds_of[rows] = sums.seconds_of.get(rows, 0.0) + report.compute_seconds
            sums.batch_rows[_bound(ROW_BOUNDS, rows)] += 1
            sums.batch_padded[_bound(PADDED_BOUNDS, report.padded_seconds)] += 1
            self._sums = replace(
                sums,
                batches=sums.batches + 1,
                rows=sums.rows + rows,
                audio_seconds=sums.audio_seconds + sum(row.audio_seconds for row in report.rows),
                padded_seconds=sums.padded_seconds + report.padded_seconds,
                compute_seconds=sums.compute_seconds + report.compute_seconds,
                row_compute_seconds=sums.row_compute_seconds + rows * report.compute_seconds,
                queue_seconds=sums.queue_seconds + sum(row.queue_seconds for row in report.rows),
            )

    @property
    def sums(self) -> Figures:
        """What was done so far; it does not change any more."""
        with self._lock:
            sums = self._sums
            return replace(
                sums,
                requests=sums.requests.copy(),
                answer_seconds=sums.answer_seconds.copy(),
                answered_within=sums.answered_within.copy(),
                batch_rows=sums.batch_rows.copy(),
                batch_padded=sums.batch_padded.copy(),
                batches_of=sums.batches_of.copy(),
                seconds_of=sums.seconds_of.copy(),
                closed=sums.closed.copy(),
            )


def _bound(bounds: tuple[float, ...], value: float) -> float:
    return bounds[bisect_left(bounds, value)]
