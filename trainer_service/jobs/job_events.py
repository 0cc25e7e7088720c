"""The events of one job in a file, a line each: written by one process at a time, read by any number."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from thanosql.types import JobEvent, Notice, Progress
from trainer_service.jobs.jobs import read_line, write_line

LATEST = 1 << 16
"""Bytes at the end of the file in which the last progress is looked for: more than a hundred events."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a job has told so far."""

    events: int = 0
    """How many."""
    phases: frozenset[str] = frozenset()
    """In which it has been."""
    steps: int = 0
    """Of training that were done when it last told of any."""

    def with_event(self, event: Progress | Notice) -> Told:
        """What it has told with one more event."""
        if isinstance(event, Notice):
            return Told(self.events + 1, self.phases, self.steps)
        steps = int(event.done) if event.unit == "steps" else self.steps
        return Told(self.events + 1, self.phases | {event.phase}, steps)


class JobEvents:
    """`events.jsonl` of a job's folder. Its lines outlive attempts: the events of a job have numbers without gaps."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_mended = False

    def append(self, event: Progress | Notice) -> None:
        """Adds an event."""
        if not self._is_mended:
            self._mend()
        with self._file.open("a", encoding="utf-8") as file:
            file.write(write_line(event) + "\n")

    def read(self, offset: int, number: int) -> tuple[list[JobEvent], int]:
        """The events from a place of the file on, the first of which has `number`; and the place after them."""
        try:
            with self._file.open("rb") as file:
                file.seek(offset)
                text = file.read()
        except FileNotFoundError:
            return [], offset
        whole = text[: text.rfind(b"\n") + 1]
        events: list[JobEvent] = []
        for line in whole.decode("utf-8").splitlines():
            event = read_line(line)
            assert isinstance(event, Progress | Notice)
            events.append(JobEvent(number + len(events), event))
        return events, offset + len(whole)

    def sum_up(self) -> Told:
        """What the job has told so far."""
        told = Told()
        for event in self.read(0, 0)[0]:
            assert isinstance(event.event, Progress | Notice)
            told = told.with_event(event.event)
        return told

    def look(self) -> tuple[int, Progress | None]:
        """How many events there are, and the last progress among the latest of them; quicker than `sum_up`."""
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return 0, None
        latest = text[-LATEST:].split(b"\n")[1 if len(text) > LATEST else 0 : -1]
        told = (read_line(line.decode("utf-8")) for line in reversed(latest))
        return text.count(b"\n"), next((event for event in told if isinstance(event, Progress)), None)

    def _mend(self) -> None:
        """Cuts off a line that a crash left half written."""
        self._is_mended = True
        with contextlib.suppress(FileNotFoundError):
            text = self._file.read_bytes()
            if not text.endswith(b"\n"):
                os.truncate(self._file, text.rfind(b"\n") + 1)
