"""Whether the rows of a result find room in memory, said before the system ends the program for want of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from thanosql.errors import DataError

LEFT_OVER = 256 << 20
"""Bytes that are left to the rest of the program."""
STEP = 64 << 20
"""Bytes of a result between two looks."""

Available = Callable[[], int | None]


def available_bytes() -> int | None:
    """Memory that this process may still take, of the machine and of its container; None where nobody says."""
    known = [_available_in_machine(), _left_in_container()]
    return min((each for each in known if each is not None), default=None)


def require_room(size: int, rows: int, what: str, available: Available = available_bytes) -> None:
    """Raises where `size` more bytes would use up the memory.

    Args:
        size: Bytes that are wanted.
        rows: How many there are so far.
        what: What the memory is wanted for, as in "held".
        available: Tells how much there is.

    Raises:
        DataError: too little is left.
    """
    free = available()
    if free is not None and size + LEFT_OVER > free:
        raise DataError(
            f"the result is too large to be {what}: of {rows:,} rows so far, and {free >> 20:,} MiB of memory are left",
            hint="session.stream(…) gives rows as they come, in little memory; LIMIT or WHERE makes them fewer; "
            "CREATE TABLE … AS keeps them on the server.",
        )


def _available_in_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return None


def _left_in_container() -> int | None:
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        return int((folder / "memory.max").read_text("ascii")) - int((folder / "memory.current").read_text("ascii"))
    return None
