"""The older events of a query in a temporary file, from which any of them is read again."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import deque
from typing import IO

log = logging.getLogger(__name__)

Place = tuple[int, int]
"""Offset and length in the file, in bytes."""


class EventFile:
    """Records of consecutive numbers in a file that is used as a ring: what is forgotten makes room for more.

    The file has no name: it goes when it is closed, or with the process. One thread writes; any may read.

    Args:
        limit: Bytes that the file may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._file: IO[bytes] | None = None
        self._refused = False
        """The disk took no more, once."""
        self._places: deque[Place] = deque()
        self.first = 0
        """Number of the oldest record."""
        self.bytes = 0
        """Of the records that are held."""

    def __len__(self) -> int:
        return len(self._places)

    def find_room(self, size: int) -> int | None:
        """The offset at which a record of `size` bytes has room; None: nowhere, as long as nothing is forgotten."""
        if self._refused or size > self._limit:
            return None
        if not self._places:
            return 0
        (head, _), (last, length) = self._places[0], self._places[-1]
        tail = last + length
        if last < head:  # the ring has begun anew
            return tail if size <= head - tail else None
        if size <= self._limit - tail:
            return tail
        return 0 if size <= head else None

    def write(self, offset: int, data: bytes) -> bool:
        """Puts a record's bytes at an offset that `find_room` gave; False: the disk does not take them."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
            done = 0
            while done < len(data):
                done += os.pwrite(self._file.fileno(), data[done:] if done else data, offset + done)
        except OSError as error:
            log.warning("events of a query are kept in memory only, for the disk does not take them: %s", error)
            self._refused = True
            return False
        return True

    def add(self, offset: int, size: int, number: int) -> None:
        """The record of `number`, the next, stands at the offset from now on."""
        if not self._places:
            self.first = number
        self._places.append((offset, size))
        self.bytes += size

    def find(self, number: int) -> Place:
        """Where the record of a number stands."""
        return self._places[number - self.first]

    def read(self, place: Place) -> bytes:
        """The bytes of a record."""
        assert self._file is not None
        offset, length = place
        parts: list[bytes] = []
        while length:
            part = os.pread(self._file.fileno(), length, offset)
            if not part:
                raise OSError("the file of a query's events was cut short")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def forget_first(self) -> None:
        """Makes room where the oldest record stands."""
        _, size = self._places.popleft()
        self.first += 1
        self.bytes -= size

    def close(self) -> None:
        """Frees the file; nothing can be read any more."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._places.clear()
        self.bytes = 0
