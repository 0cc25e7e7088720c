"""What a model's service has done, counted once: statistics, the metrics and the protocols read the same figures."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum

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


class Closed(StrEnum):
    """Why a batch did not take in more."""

    EMPTY = "empty"
    """Nothing else waited."""
    BUDGET = "budget"
    """Rows × longest row would have been over the budget."""
    ROWS = "rows"
    """It has as many rows as a batch may have."""


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
class Figures:
    """The sums since the service started."""

    requests: Counter[tuple[Outcome, Priority, str]] = field(default_factory=Counter)
    """By outcome, class and reason."""
    request_seconds: float = 0.0
    """From arrival to answer, of the requests that succeeded."""
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
            self._sums.requests[report.outcome, report.priority, report.reason] += 1
            if report.outcome is Outcome.SUCCESS:
                self._sums = replace(self._sums, request_seconds=self._sums.request_seconds + report.seconds)

    def record_batch(self, report: BatchReport) -> None:
        """A batch was computed."""
        with self._lock:
            sums = self._sums
            sums.closed[report.closed] += 1
            self._sums = replace(
                sums,
                batches=sums.batches + 1,
                rows=sums.rows + len(report.rows),
                audio_seconds=sums.audio_seconds + sum(row.audio_seconds for row in report.rows),
                padded_seconds=sums.padded_seconds + report.padded_seconds,
                compute_seconds=sums.compute_seconds + report.compute_seconds,
                row_compute_seconds=sums.row_compute_seconds + len(report.rows) * report.compute_seconds,
                queue_seconds=sums.queue_seconds + sum(row.queue_seconds for row in report.rows),
            )

    @property
    def sums(self) -> Figures:
        """What was done so far; it does not change any more."""
        with self._lock:
            return replace(self._sums, requests=self._sums.requests.copy(), closed=self._sums.closed.copy())
