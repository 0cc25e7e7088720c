"""Uploads: what the service has of some files, and streams of files into a workspace."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Lock

from query_service.config import QueryConfig
from query_service.uploading.incoming import Incoming, unwritable
from query_service.uploading.placing import Places, holds, sync_folders, taken
from query_service.uploading.rules import LARGEST_CHUNK, MOST_FILES, Limits, Room, check_file, check_room
from query_service.uploading.underway import Underway
from query_service.uploading.unfinished import Part, Unfinished
from thanosql.errors import DataError, InvalidOption, Overloaded, ThanoSQLError
from thanosql.types import UploadedFile, UploadFile, UploadOutcome, UploadStart, UploadState

log = logging.getLogger(__name__)

FORGET_EVERY = 600.0
"""Seconds between two looks for unfinished files that are too old."""
DAY = 86_400.0


@dataclass(frozen=True)
class _Workspace:
    """Where the files of a call go."""

    places: Places
    unfinished: Unfinished
    changed: set[Path] = field(default_factory=set)
    """Folders with names that may not be on the disk yet."""


class Uploads:
    """What is sent into the workspaces of a query service.

    Args:
        config: Limits, and where the workspaces lie.
        clock: Seconds since whenever.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        config: QueryConfig,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._clock, self._now = config, clock, now
        self._limits = Limits(config.upload_file_bytes, config.upload_unfinished_bytes, config.upload_spare_bytes)
        self._underway = Underway(clock)
        self._turns = BoundedSemaphore(config.most_uploads)
        self._lock = Lock()
        self._forgot_at: dict[Path, float] = {}

    def find(self, workspace: str, files: Sequence[UploadFile], overwrite: bool) -> list[UploadState]:
        """How much of each file is there already, or why it cannot be sent.

        Raises:
            InvalidOption: these are too many files to be asked for at once.
            Overloaded: too many uploads are at work.
        """
        if len(files) > MOST_FILES:
            raise InvalidOption(f"these are {len(files):,} files", hint=f"Ask for {MOST_FILES:,} at most at once.")
        with self._turn():
            where = self._open(workspace)
            return [self._find(where, file, overwrite) for file in files]

    def receive(
        self, workspace: str, requests: Iterable[UploadStart | bytes], is_wanted: Callable[[], bool]
    ) -> Iterator[UploadedFile]:
        """Takes files in, one after the other; what has become of each, as soon as it is known.

        The bytes of a file are on the disk before it is put in its place. When the call has ended, so are the names.

        Args:
            workspace: Its name.
            requests: For each file a start, then its bytes. They end, or raise, where the connection does: what came
                until then is kept.
            is_wanted: Whether to go on.

        Raises:
            InvalidOption: a chunk is too large.
            Overloaded: too many uploads are at work.
        """
        with self._turn():
            where = self._open(workspace)
            self._forget(where)
            incoming: Incoming | None = None
            try:
                for request in requests:
                    ended: UploadedFile | None = None
                    if isinstance(request, UploadStart):
                        if incoming is not None:
                            yield incoming.break_off()
                            incoming.close()
                        incoming, ended = self._begin(where, request)
                    elif len(request) > LARGEST_CHUNK:
                        raise InvalidOption(
                            f"a chunk has {len(request):,} bytes", hint=f"Send {LARGEST_CHUNK:,} at most in a message."
                        )
                    elif incoming is not None:
                        ended = incoming.take(request)
                    if incoming is not None and ended is None and incoming.is_whole:
                        ended = incoming.finish()
                    if ended is not None:
                        if incoming is not None:
                            incoming.close()
                            incoming = None
                        yield ended
                    if not is_wanted():
                        return
                if incoming is not None:
                    yield incoming.break_off()
            finally:
                if incoming is not None:
                    incoming.close()
                sync_folders(where.changed)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(blocking=False):
            raise Overloaded("too many uploads are at work", hint="Try again when one has ended.", retry_after=1.0)
        try:
            yield
        finally:
            self._turns.release()

    def _find(self, where: _Workspace, file: UploadFile, overwrite: bool) -> UploadState:
        try:
            checked = check_file(file, self._limits)
            place = where.places.find(checked.path)
            if place.exists():
                if holds(place, checked):
                    return UploadState(file.path, is_there=True)
                if not overwrite:
                    raise taken(checked.path)
            received = where.unfinished.received(checked)
            is_underway = self._underway.has(str(where.unfinished.place_of(checked)))
            return UploadState(file.path, received, is_underway=is_underway)
        except OSError as error:
            return UploadState(file.path, problem=str(unreadable(file.path, error)))
        except ThanoSQLError as error:
            return UploadState(file.path, problem=str(error))

    def _begin(self, where: _Workspace, start: UploadStart) -> tuple[Incoming | None, UploadedFile | None]:
        """A file begins to come; or has ended, where it is not taken."""
        path, size = start.file.path, start.file.size
        claim = None
        try:
            file = check_file(start.file, self._limits)
            find = partial(where.places.find, file.path)
            place = find()
            if not start.overwrite and place.exists():
                if holds(place, file):
                    return None, UploadedFile(path, size, outcome=UploadOutcome.IS_THERE)
                raise taken(file.path)
            part_place = where.unfinished.place_of(file)
            left = max(0, size - start.offset)
            with self._lock:  # so that two do not take the same room
                check_room(file.path, left, self._room(where), self._limits)
                claim = self._underway.claim(str(part_place), left)
            if claim is None:
                return None, UploadedFile(path, size, "somebody else is sending it just now", UploadOutcome.UNDERWAY)
            part = Part(part_place, min(start.offset, size))
            return Incoming(file, path, part, claim, self._underway, find, start.overwrite, where.changed), None
        except EOFError:
            ended = UploadedFile(path, size, "the bytes before the offset are not there", UploadOutcome.INCOMPLETE)
        except OSError as error:
            ended = UploadedFile(path, size, str(unwritable(path, error)), UploadOutcome.REFUSED)
        except ThanoSQLError as error:
            ended = UploadedFile(path, size, str(error), UploadOutcome.REFUSED)
        if claim is not None:
            self._underway.release(claim)
        return None, ended

    def _open(self, workspace: str) -> _Workspace:
        folders = self._config.folders(workspace)
        own = [folders.state, folders.models, self._config.state, self._config.models]
        if self._config.workspaces is not None:
            own.append(self._config.workspaces)
        try:
            places = Places(folders.root, own)
        except OSError as error:
            raise DataError(
                f"the folder of the workspace {workspace!r} cannot be made: {error.strerror}",
                hint="The user that runs the server's query service needs the right to write there.",
            ) from error
        return _Workspace(places, Unfinished(places.root))

    def _room(self, where: _Workspace) -> Room:
        free = shutil.disk_usage(where.places.root).free
        return Room(free, where.unfinished.bytes(), self._underway.promised())

    def _forget(self, where: _Workspace) -> None:
        root = where.places.root
        with self._lock:
            now = self._clock()
            if now - self._forgot_at.get(root, -FORGET_EVERY) < FORGET_EVERY:
                return
            self._forgot_at[root] = now
        before = self._now() - self._config.upload_kept_days * DAY
        if forgotten := where.unfinished.forget(before, self._underway.keys()):
            log.info("%d unfinished uploads are forgotten: nothing was added to them for long", forgotten)


def unreadable(path: str, error: OSError) -> DataError:
    """What is told of a file whose place cannot be looked at."""
    return DataError(
        f"the server cannot read what stands at {path!r}: {error.strerror}", hint="Choose another path, or mend that."
    )
