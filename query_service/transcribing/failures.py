"""Rows that get no transcript: counted by reason, and told in one sentence."""

from __future__ import annotations

from collections import Counter

from query_service.transcribing.recordings import NO_RECORDING, Failure, Recordings

EXAMPLES = 3
"""Recordings that are named for each reason."""


class FailureCount:
    """Counts row after row."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._failed: Counter[str] = Counter()
        self._examples: dict[str, dict[str, None]] = {}

    @property
    def rows(self) -> int:
        """How many were counted."""
        return self._failed.total()

    def add(self, failure: Failure, number: int, row: int) -> None:
        """Counts a row, from 1, whose recording has that number."""
        self._failed[failure.reason] += 1
        examples = self._examples.setdefault(failure.reason, {})
        if len(examples) < EXAMPLES:
            examples[f"row {row}" if number == NO_RECORDING else self._recordings.paths[number]] = None

    def describe(self, total: int) -> str:
        """How many of so many rows have no transcript, why, and which; empty where all have one."""
        if not self._failed:
            return ""
        reasons = ", ".join(
            f"{count} {reason} ({self._shown(reason, count)})" for reason, count in self._failed.most_common()
        )
        verb = "has" if self.rows == 1 else "have"
        return f"{self.rows} of {total} rows {verb} no transcript: {reasons}"

    def _shown(self, reason: str, count: int) -> str:
        examples = list(self._examples[reason])
        return ", ".join(examples) + (", …" if count > len(examples) else "")
