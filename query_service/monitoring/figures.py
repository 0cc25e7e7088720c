"""What the statements of this service have done, summed up since it started."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from thanosql.monitoring.families import INFINITY, Buckets

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, INFINITY)
"""Seconds of a statement."""

UNREAD = "unread"
"""In place of the kind of a statement that could not be read."""


class Ending(StrEnum):
    """How a statement ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ClipSource(StrEnum):
    """Where the transcript of a recording came from."""

    TRANSCRIBED = "transcribed"
    """The model has heard it for this statement."""
    CACHED = "cached"
    """It was known, or another statement was having it transcribed."""
    FAILED = "failed"
    """There is none."""


@dataclass(frozen=True, slots=True)
class StatementReport:
    """A statement has ended."""

    kind: str
    ending: Ending
    seconds: float
    rows: int = 0
    error: str = ""
    """Name of the error that ended it, where it failed."""


class QueryFigures:
    """Sums up reports; any thread may give one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running: Counter[str] = Counter()
        """Statements by kind."""
        self.ended: Counter[tuple[str, Ending]] = Counter()
        self.rows: Counter[str] = Counter()
        """Rows given or touched, by kind."""
        self.seconds: dict[str, Buckets] = {}
        self.errors: Counter[str] = Counter()
        """Failures by the error's name."""
        self.clips: Counter[ClipSource] = Counter()
        """Distinct recordings of the statements that asked for transcripts."""
        self.heard_seconds = 0.0
        """Of audio, in the recordings that were transcribed."""

    def begin(self, kind: str) -> None:
        """A statement begins."""
        with self._lock:
            self.running[kind] += 1

    def end(self, report: StatementReport) -> None:
        """A statement that had begun has ended."""
        with self._lock:
            self.running[report.kind] -= 1
            self.ended[report.kind, report.ending] += 1
            self.rows[report.kind] += report.rows
            self.seconds.setdefault(report.kind, Buckets(BOUNDS)).add(report.seconds)
            if report.error:
                self.errors[report.error] += 1

    def add_clips(self, source: ClipSource, number: int = 1, heard_seconds: float = 0.0) -> None:
        """It is known what becomes of some recordings."""
        with self._lock:
            self.clips[source] += number
            self.heard_seconds += heard_seconds

    @contextmanager
    def locked(self) -> Iterator[QueryFigures]:
        """The sums, which do not change meanwhile."""
        with self._lock:
            yield self
