"""The bytes of files that have not come whole.

They lie in the workspace's own hidden folder, on the disk of their places, so that a whole file is put in its place by
a mere change of name.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from query_service.uploading.rules import key_of
from thanosql.types import UploadFile
from thanosql.workspace import STATE_FOLDER

FOLDER = "uploads"
"""In the product's own folder below the workspace root, which no statement may name."""
BLOCK = 1 << 20
"""Bytes read at once."""
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
"""What the system says when there is no room."""


class Unfinished:
    """The unfinished files of one workspace.

    Args:
        root: Of the workspace.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / STATE_FOLDER / FOLDER

    def place_of(self, file: UploadFile) -> Path:
        """Where the bytes of a file lie that have come."""
        return self.folder / key_of(file)

    def received(self, file: UploadFile) -> int:
        """Bytes of a file that have come."""
        with suppress(OSError):
            return min(self.place_of(file).stat().st_size, file.size)
        return 0

    def bytes(self) -> int:
        """Bytes of all unfinished files."""
        with suppress(OSError), os.scandir(self.folder) as entries:
            return sum(_size(entry) for entry in entries)
        return 0

    def forget(self, before: float, underway: Container[str]) -> int:
        """Removes what nothing has been added to since `before` (seconds since 1970); how many there were."""
        forgotten = 0
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.path not in underway and entry.stat().st_mtime < before:
                        Path(entry.path).unlink()
                        forgotten += 1
        return forgotten


class Part:
    """The bytes of one file that have come, open to be added to.

    Args:
        place: Where they lie; the file is made where it is not there.
        offset: Bytes of it that are kept.

    Raises:
        OSError: it cannot be made or read.
        EOFError: there are fewer bytes than that.
    """

    def __init__(self, place: Path, offset: int) -> None:
        self.place, self.position = place, 0
        place.parent.mkdir(parents=True, exist_ok=True)
        # Made by the process's umask, since it is the file that the other services read.
        self._file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        self._digest = hashlib.sha256()
        try:
            while self.position < offset:
                block = os.read(self._file, min(BLOCK, offset - self.position))
                if not block:
                    raise EOFError
                self._digest.update(block)
                self.position += len(block)
            os.ftruncate(self._file, offset)
        except BaseException:
            self.close()
            raise

    def add(self, chunk: bytes) -> None:
        """Writes bytes behind those that are there.

        Raises:
            OSError: they cannot be written; those before them stay.
        """
        self._digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self.position += len(chunk)

    @property
    def checksum(self) -> str:
        """SHA-256 of what has come, in hexadecimal."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Returns when the bytes are on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Keeps the bytes for later."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Keeps nothing."""
        self.close()
        self.place.unlink(missing_ok=True)


def _size(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):  # it has just been put in its place
        return entry.stat().st_size
    return 0
