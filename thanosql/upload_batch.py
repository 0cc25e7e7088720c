"""A few files on their way into a workspace, through connections that break."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from thanosql.errors import Cancelled, Overloaded, TimedOut, Unavailable
from thanosql.types import UploadedFile, UploadFile, UploadOutcome, UploadStart, UploadState
from thanosql.upload_files import LocalFile

CHUNK = 512 << 10
"""Bytes of a file that go into one message."""
BLOCK = 1 << 20
"""Bytes that are read at once for the checksum."""
PATIENCE = 60.0
"""Seconds for which a server that has gone away is waited for."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.0
UNDERWAY_PAUSE = 1.0
"""Seconds between two questions after a file that somebody else is sending."""
MOST_TRIES = 3
"""Times that a file is sent of which all bytes arrived and were wrong, or fewer came than were sent."""


class UploadCalls(Protocol):
    """What this module needs of `thanosql.clients.QueryClient`."""

    def find_uploads(self, files: Sequence[UploadFile], overwrite: bool) -> list[UploadState]:
        """How much of each file the server has."""

    def upload(self, requests: Iterable[UploadStart | bytes]) -> Iterator[UploadedFile]:
        """Sends files."""


class Stopped(Exception):
    """The user wants no more of it."""


class Batch:
    """Files that are sent in one stream, or several, one after the other.

    Args:
        client: Sends them.
        files: On this machine.
        overwrite: Other files that stand in their places are replaced.
        tell: Is told, as it changes, how many bytes of a file need not be sent any more.
        is_stopped: Whether to leave off.
        clock, sleep: In seconds.
    """

    def __init__(
        self,
        client: UploadCalls,
        files: Sequence[LocalFile],
        overwrite: bool,
        tell: Callable[[str, int], None],
        is_stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._overwrite, self._tell, self._is_stopped = client, overwrite, tell, is_stopped
        self._clock, self._sleep = clock, sleep
        self._local = {each.path: each for each in files}
        self._described: dict[str, UploadFile] = {}
        self._ended: dict[str, UploadedFile] = {}
        self._begun: set[str] = set()
        """Files of which something was sent."""
        self._broken: dict[str, str] = {}
        """Why a file could not be read to its end here."""
        self._tries: dict[str, int] = {}
        self._moved_at = clock()

    def send(self) -> Iterator[UploadedFile]:
        """What has become of each file, as it is known: placed, there before, refused or damaged.

        Raises:
            Stopped: see `is_stopped`.
            Unavailable: the server went away and stayed away.
            ThanoSQLError: it takes nothing from this user.
        """
        self._describe()
        pause, told = FIRST_PAUSE, 0
        self._moved_at = self._clock()
        while True:
            before, failure = self._moved_at, None
            try:
                self._try()
                pause = 0.0 if self._moved_at > before else UNDERWAY_PAUSE
            except Overloaded as error:
                pause = error.retry_after or UNDERWAY_PAUSE
            except (Unavailable, Cancelled, TimedOut) as error:
                failure = error
                pause = FIRST_PAUSE if self._moved_at > before else min(LONGEST_PAUSE, 2 * pause or FIRST_PAUSE)
            ended = list(self._ended.values())
            yield from ended[told:]
            told = len(ended)
            if told == len(self._local):
                return
            if failure is not None and self._clock() - self._moved_at > PATIENCE:
                raise Unavailable(
                    f"the server could not be reached for {PATIENCE:g} s ({failure.message})", hint=failure.hint
                ) from failure
            self._wait(pause)

    def _describe(self) -> None:
        for local in self._local.values():
            try:
                self._described[local.path] = self._checksum(local)
            except OSError as error:
                self._end(_refused(local.path, f"it cannot be read: {error.strerror}"))

    def _checksum(self, local: LocalFile) -> UploadFile:
        digest, size = hashlib.sha256(), 0
        with local.file.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                if self._is_stopped():
                    raise Stopped
                digest.update(block)
                size += len(block)
        return UploadFile(local.path, size, digest.hexdigest())

    def _try(self) -> None:
        left = [file for path, file in self._described.items() if path not in self._ended]
        offsets: dict[str, int] = {}
        if not left:
            return
        for file, state in zip(left, self._client.find_uploads(left, self._overwrite), strict=True):
            if state.problem:
                self._end(_refused(file.path, state.problem, file.size))
            elif state.is_there:
                outcome = UploadOutcome.PLACED if file.path in self._begun else UploadOutcome.IS_THERE
                self._end(UploadedFile(file.path, file.size, outcome=outcome))
            elif not state.is_underway:
                offsets[file.path] = state.received
        if offsets:
            for ended in self._client.upload(self._requests(offsets)):
                self._take(ended, offsets)
        if self._is_stopped():
            raise Stopped

    def _requests(self, offsets: dict[str, int]) -> Iterator[UploadStart | bytes]:
        """What is sent; another thread asks for it."""
        for path, offset in offsets.items():
            file = self._described[path]
            self._begun.add(path)
            self._tell(path, offset)
            yield UploadStart(file, offset, self._overwrite)
            try:
                for position, chunk in self._read(path, offset, file.size):
                    if self._is_stopped():
                        return
                    if path in self._ended:  # the server does not take it
                        break
                    yield chunk
                    self._moved_at = self._clock()
                    self._tell(path, position)
            except OSError as error:
                self._broken[path] = f"it cannot be read: {error.strerror}"

    def _read(self, path: str, position: int, size: int) -> Iterator[tuple[int, bytes]]:
        with self._local[path].file.open("rb", buffering=0) as stream:
            stream.seek(position)
            while position < size:
                chunk = stream.read(min(CHUNK, size - position))
                if not chunk:
                    self._broken[path] = "it became shorter while it was sent"
                    return
                position += len(chunk)
                yield position, chunk

    def _take(self, ended: UploadedFile, offsets: dict[str, int]) -> None:
        path = ended.path
        if ended.outcome in (UploadOutcome.PLACED, UploadOutcome.IS_THERE, UploadOutcome.REFUSED):
            self._end(ended)
        elif path in self._broken:
            self._end(_refused(path, self._broken[path], ended.size))
        elif ended.outcome is not UploadOutcome.UNDERWAY and not self._is_stopped():
            self._tries[path] = self._tries.get(path, 0) + 1
            # Bytes from an earlier time may be the damaged ones; what is sent whole is wrong for another reason.
            is_final = ended.outcome is UploadOutcome.DAMAGED and not offsets.get(path)
            if is_final or self._tries[path] >= MOST_TRIES:
                hint = "Was it changed meanwhile? Send it again."
                self._end(UploadedFile(path, ended.size, f"{ended.problem}. {hint}", ended.outcome))

    def _end(self, ended: UploadedFile) -> None:
        self._moved_at = self._clock()
        self._ended[ended.path] = ended
        self._tell(ended.path, self._local[ended.path].size)

    def _wait(self, seconds: float) -> None:
        until = self._clock() + seconds
        while (rest := until - self._clock()) > 0:
            if self._is_stopped():
                raise Stopped
            self._sleep(min(0.1, rest))
        if self._is_stopped():
            raise Stopped


def _refused(path: str, problem: str, size: int = 0) -> UploadedFile:
    return UploadedFile(path, size, problem, UploadOutcome.REFUSED)
