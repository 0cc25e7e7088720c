"""Which recordings the rows of a statement name: each distinct file once, whatever the rows call it."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from thanosql.errors import NotFound, PathRefused, ThanoSQLError
from thanosql.types import AudioKey, CachedTranscript
from thanosql.workspace import existing_file, resolve

NO_RECORDING = -1
"""In place of a recording's number: the row names none."""
LEFT_OUT = -2
"""In place of a recording's number: nobody asks what the row's recording says."""


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
        self._root = str(workspace.resolve())
        self._folders: dict[str, str | None] = {}
        """Where each folder that rows name lies below the workspace root, links followed; None: it must be looked at
        with the file, because it is not there or may not be read."""
        self._numbers: dict[str, int] = {}
        """Number of each path as the rows have it."""
        self._files: dict[str, int] = {}
        """Number of each path below the workspace root."""
        self.rows = array("q")
        """The number of each row's recording, or `NO_RECORDING` or `LEFT_OUT`."""
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
        numbers, uses, rows = self._numbers, self.uses, self.rows
        for path in paths:
            number = None if path is None else numbers.get(path)
            if number is None:
                number = NO_RECORDING if path is None or not path.strip() else self._find(path)
            if number != NO_RECORDING:
                uses[number] += 1
            rows.append(number)

    def leave_out_row(self) -> None:
        """Adds a row whose recording does not matter."""
        self.rows.append(LEFT_OUT)

    def is_done(self, number: int) -> bool:
        """Whether it is known what becomes of a recording."""
        return number < 0 or number in self.results

    def result(self, number: int) -> Result:
        """What became of a recording."""
        return NAMELESS if number == NO_RECORDING else self.results[number]

    def waiting(self, first: int = 0) -> list[int]:
        """Recordings of which nothing is known yet, in the order of the rows, from a number on."""
        results = self.results
        return [number for number in range(first, len(self.paths)) if number not in results]

    def done_rows(self) -> int:
        """Rows of which the result is known."""
        return len(self.rows) - sum(self.uses[number] for number in self.waiting())

    def first_failure(self, first_row: int = 0) -> tuple[int, str] | None:
        """The first row, counted from 1, that is known to get no transcript, and why.

        Args:
            first_row: Rows before this one, counted from 0, are known to be no failures.
        """
        for row in range(first_row, len(self.rows)):
            number = self.rows[row]
            result = NAMELESS if number == NO_RECORDING else self.results.get(number)
            if isinstance(result, Failure):
                return row + 1, result.message
        return None

    def file_of(self, number: int) -> AudioKey:
        """The file of a recording that was found.

        Raises:
            NotFound: it was not.
        """
        key = self.keys[number]
        if key is None:
            raise NotFound(f"{self.paths[number]!r} is no file of the workspace")
        return key

    def place_of(self, number: int) -> Path:
        """Where a recording's file lies on this machine."""
        return Path(self._root, self.file_of(number).path)

    def is_unchanged(self, number: int) -> bool:
        """Whether a recording's file is still as it was when it was looked at."""
        key = self.file_of(number)
        try:
            status = os.lstat(self.place_of(number))
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (key.size, key.modified_ns)

    def _find(self, path: str) -> int:
        """The number of the file that rows name by a path that is new."""
        found = self._look_at(path)
        if isinstance(found, Failure):
            number = self._new(path, None)
            self.results[number] = found
        else:
            number = self._files.get(found.path, NO_RECORDING)
            if number == NO_RECORDING:
                number = self._files[found.path] = self._new(path, found)
        self._numbers[path] = number
        return number

    def _look_at(self, path: str) -> AudioKey | Failure:
        # `existing_file` is the rule, and takes 50 µs a file. Where the folder is known to lie in the workspace and the
        # file in it is a plain one, no link, it can but come to the same.
        cut = path.rfind("/") + 1
        name = path[cut:]
        below = self._below(path[:cut])
        if below is not None and name:
            file = f"{below}/{name}" if below else name
            try:
                status = os.lstat(f"{self._root}/{file}")
            except (OSError, ValueError):
                pass
            else:
                if stat.S_ISREG(status.st_mode):
                    return AudioKey(file, status.st_size, status.st_mtime_ns)
        return self._look_at_carefully(path)

    def _below(self, folder: str) -> str | None:
        if folder not in self._folders:
            try:
                below = resolve(self._workspace, folder).relative_to(self._root).as_posix()
            except (ThanoSQLError, OSError, ValueError):
                self._folders[folder] = None
            else:
                self._folders[folder] = "" if below == "." else below
        return self._folders[folder]

    def _look_at_carefully(self, path: str) -> AudioKey | Failure:
        try:
            file = existing_file(self._workspace, path)
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotFound(f"file {path!r} is not a file")
        except (NotFound, PathRefused, OSError) as error:
            reason = "path refused" if isinstance(error, PathRefused) else "missing"
            message = error.strerror or str(error) if isinstance(error, OSError) else error.message
            return Failure(reason, message)
        return AudioKey(file.relative_to(self._root).as_posix(), status.st_size, status.st_mtime_ns)

    def _new(self, path: str, key: AudioKey | None) -> int:
        self.paths.append(path)
        self.keys.append(key)
        self.uses.append(0)
        return len(self.paths) - 1


NAMELESS = Failure("without a path", "the row names no recording")
"""What becomes of a row that names no recording."""
