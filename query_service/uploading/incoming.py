"""One file that is being sent: its bytes are taken in, and when all have come it is put in its place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from query_service.uploading.placing import holds, put, taken
from query_service.uploading.rules import show_bytes
from query_service.uploading.underway import Claim, Followed, Underway
from query_service.uploading.unfinished import FULL, Part
from thanosql.errors import DataError, ThanoSQLError
from thanosql.types import UploadedFile, UploadFile, UploadOutcome

_placing = threading.Lock()
"""Held from the last look at a place until the file stands there."""


class Incoming:
    """A file of which all bytes from an offset on are yet to come.

    Args:
        file: As it was checked.
        sent_path: Its path as it was sent, by which its sender knows it.
        part: What has come.
        claim: The right to send it, let go by `close`.
        underway: Where the claim is from.
        find: Looks the place up anew, when the file has come.
        overwrite: Another file that stands there is replaced.
        changed: Folders that have new names in them are added to it.
    """

    def __init__(
        self,
        file: UploadFile,
        sent_path: str,
        part: Part,
        claim: Claim,
        underway: Underway,
        find: Callable[[], Path],
        overwrite: bool,
        changed: set[Path],
    ) -> None:
        self._file, self._sent_path, self._part, self._overwrite = file, sent_path, part, overwrite
        self._claim, self._underway, self._find, self._changed = claim, underway, find, changed

    @property
    def is_whole(self) -> bool:
        """Whether all bytes have come."""
        return self._part.position == self._file.size

    def take(self, chunk: bytes) -> UploadedFile | None:
        """Takes in some bytes; how it ends, where it ends by this."""
        try:
            with self._claim.at_work():
                if len(chunk) > self._file.size - self._part.position:
                    self._part.remove()
                    return self._end(UploadOutcome.DAMAGED, f"more bytes came than {self._file.size:,}")
                self._part.add(chunk)
        except Followed:
            return self._end(UploadOutcome.UNDERWAY)
        except OSError as error:
            return self._fail(error)
        self._underway.tell(self._claim, self._file.size - self._part.position)
        return None

    def finish(self) -> UploadedFile:
        """Checks the bytes, all of which have come, and puts the file in its place."""
        try:
            with self._claim.at_work():
                if self._part.checksum != self._file.checksum:
                    self._part.remove()
                    return self._end(UploadOutcome.DAMAGED, "the bytes that came are not those of the checksum")
                self._part.sync()
                return self._place()
        except Followed:
            return self._end(UploadOutcome.UNDERWAY)
        except OSError as error:
            return self._fail(error)
        except ThanoSQLError as error:
            self._part.remove()
            return self._end(UploadOutcome.REFUSED, str(error))

    def break_off(self) -> UploadedFile:
        """Ends it before all bytes have come; they are kept."""
        came = f"{self._part.position:,} of {self._file.size:,} bytes came"
        return self._end(UploadOutcome.INCOMPLETE, came)

    def close(self) -> None:
        """Lets go of the file; what has come stays."""
        self._part.close()
        self._underway.release(self._claim)

    def _place(self) -> UploadedFile:
        with _placing:
            place = self._find()
            if not self._overwrite and place.exists():
                if not holds(place, self._file):
                    raise taken(self._file.path)
                self._part.remove()
                return self._end(UploadOutcome.IS_THERE)
            self._changed |= put(self._part.place, place)
        return self._end(UploadOutcome.PLACED)

    def _fail(self, error: OSError) -> UploadedFile:
        path = repr(self._file.path)
        if error.errno in FULL:
            # The other services need the disk too.
            self._part.remove()
            return self._end(
                UploadOutcome.REFUSED,
                f"the server's disk became full with {show_bytes(self._part.position)} of {path}; they are not kept",
            )
        return self._end(UploadOutcome.REFUSED, str(unwritable(self._file.path, error)))

    def _end(self, outcome: UploadOutcome, problem: str = "") -> UploadedFile:
        return UploadedFile(self._sent_path, self._file.size, problem, outcome)


def unwritable(path: str, error: OSError) -> DataError:
    """What a file is refused with that the server cannot write."""
    return DataError(
        f"the server cannot write {path!r}: {error.strerror}",
        hint="The user that runs its query service needs the right to write in the workspace.",
    )
