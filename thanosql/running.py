"""Which process runs the services of a state folder: a lock that it holds, and a note of where they listen.

Tables are open in one process at a time. So the process that starts the services holds `local.lock` for as long as it
runs them (the system lets go of the lock when the process dies, however it dies), and writes `local.json`, readable by
its user alone, with the address and the token of its query service. Another process finds the lock held, reads the
note, and joins.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from thanosql.errors import DataError

LOCK = "local.lock"
NOTE = "local.json"


@dataclass(frozen=True)
class Running:
    """Services that run."""

    address: str
    """host:port of the query service."""
    token: str
    workspace: str
    """Root of the paths in statements."""
    pid: int
    """The process that runs them."""
    log: str
    """Where they write what goes wrong."""

    def is_alive(self) -> bool:
        """Whether that process still exists."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # it exists, and is somebody else's
            pass
        return True


class Hold:
    """The lock of a state folder, held by this process until `release`."""

    def __init__(self, state: Path, file: int) -> None:
        self._state, self._file = state, file
        self._pid = os.getpid()

    def announce(self, running: Running) -> None:
        """Writes the note that lets other processes of this user join."""
        draft = self._state / f"{NOTE}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a file descriptor
            json.dump(asdict(running), file)
        draft.replace(self._state / NOTE)

    def release(self) -> None:
        """Removes the note and lets go of the lock."""
        if self._file < 0 or self._pid != os.getpid():  # a fork of the holder holds nothing of its own
            return
        (self._state / NOTE).unlink(missing_ok=True)
        os.close(self._file)
        self._file = -1


def hold(state: Path) -> Hold | None:
    """Takes the lock of a state folder, which is made where it is not there; None: another process holds it.

    Raises:
        DataError: the folder cannot be made or written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(state / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataError(
            f"the folder {state} for tables and models cannot be written: {error.strerror}",
            hint="Work in a folder of your own, or name another with connect(state=…) or THANOSQL_STATE.",
        ) from error
    if _lock(file):
        (state / NOTE).unlink(missing_ok=True)  # of a holder that died
        return Hold(state, file)
    os.close(file)
    return None


def read_note(state: Path) -> Running | None:
    """The services that the lock's holder has announced; None: it has not, or not yet."""
    try:
        return Running(**json.loads((state / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
