"""Which recordings the rows of a PREDICT name: each distinct file once, whatever the rows call it."""

from __future__ import annotations

import stat
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from thanosql.errors import NotFound, PathRefused
from thanosql.types import AudioKey, CachedTranscript
from thanosql.workspace import existing_file

NO_RECORDING = -1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a recording has no transcript."""

    reason: str
    """To count by: `AudioError.reason`."""
    message: str


Result = CachedTranscript | Failure


class Recordings:
    """The distinct recordings of some rows, numbered from 0, with the rows that name each and what became of it."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._root = workspace.resolve()
        self._numbers: dict[str, int] = {}
        """Number of each path as the rows have it."""
        self._files: dict[str, int] = {}
        """Number of each path below the workspace root."""
        self.rows = array("q")
        """The number of each row's recording; `NO_RECORDING` where it names none."""
        self.uses = array("q")
        """How many rows name each recording."""
        self.paths: list[str] = []
        """Each recording's path, as the first row has it."""
        self.keys: list[AudioKey | None] = []
        """Each recording's file, as it was when it was looked at; None where there is none."""
        self.results: dict[int, Result] = {}
        """What became of each recording, so far."""

    def add_rows(self, paths: Iterable[str | None]) -> None:
        """Adds the next rows, by what their audio column holds."""
        for path in paths:
            number = NO_RECORDING if path is None or not path.strip() else self._numbers.get(path)
            if number is None and path is not None:
                number = self._numbers[path] = self._find(path)
            if number is not None and number != NO_RECORDING:
                self.uses[number] += 1
            self.rows.append(NO_RECORDING if number is None else number)

    def is_done(self, number: int) -> bool:
        """Whether it is known what becomes of a recording."""
        return number == NO_RECORDING or number in self.results

    def result(self, number: int) -> Result:
        """What became of a recording."""
        return _NAMELESS if number == NO_RECORDING else self.results[number]

    def waiting(self) -> list[int]:
        """Recordings of which nothing is known yet, in the order of the rows."""
        return [number for number in range(len(self.paths)) if number not in self.results]

    def done_rows(self) -> int:
        """Rows of which the result is known."""
        return len(self.rows) - sum(self.uses[number] for number in self.waiting())

    def first_failure(self) -> tuple[int, str] | None:
        """The first row, counted from 1, that is known to get no transcript, and why."""
        for row, number in enumerate(self.rows, 1):
            result = _NAMELESS if number == NO_RECORDING else self.results.get(number)
            if isinstance(result, Failure):
                return row, result.message
        return None

    def _find(self, path: str) -> int:
        try:
            file = existing_file(self._workspace, path)
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotFound(f"file {path!r} is not a file")
        except (NotFound, PathRefused, OSError) as error:
            number = self._new(path, None)
            reason = "path refused" if isinstance(error, PathRefused) else "missing"
            message = error.strerror or str(error) if isinstance(error, OSError) else error.message
            self.results[number] = Failure(reason, message)
            return number
        below = file.relative_to(self._root).as_posix()
        if below not in self._files:
            self._files[below] = self._new(path, AudioKey(below, status.st_size, status.st_mtime_ns))
        return self._files[below]

    def _new(self, path: str, key: AudioKey | None) -> int:
        self.paths.append(path)
        self.keys.append(key)
        self.uses.append(0)
        return len(self.paths) - 1


_NAMELESS = Failure("without a path", "the row names no recording")
