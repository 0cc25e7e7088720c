"""What is taken from outside: which paths files may have, how large they may be, how much may lie about unfinished."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from thanosql.errors import DataError, InvalidOption, PathRefused
from thanosql.types import UploadFile

LONGEST_NAME = 255
"""Bytes of a file's name that file systems take."""
MOST_FILES = 1_000
"""Files that may be asked for at once."""
LARGEST_CHUNK = 4 << 20
"""Bytes that may come in one message."""

_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Unicode's categories of characters that end lines, or do things to a terminal."""


@dataclass(frozen=True)
class Limits:
    """How much may come, in bytes."""

    file: int
    """Of one file."""
    unfinished: int
    """Of all files of a workspace that have not come whole."""
    spare: int
    """That stay free on the disk."""


@dataclass(frozen=True)
class Room:
    """What there is on the disk, in bytes."""

    free: int
    unfinished: int
    """Of the workspace's files that have not come whole."""
    promised: int
    """Yet to come of files that are being sent just now."""


def check_path(path: str) -> str:
    """A path that a file may be sent to, in Unicode's composed form (NFC), in which keyboards and tables write it.

    Nothing in it is decoded or expanded: `%2e`, `~` and `*` are letters like others.

    Raises:
        PathRefused: it is not plainly that of a file below the workspace root, or is hidden. A workspace may be
            somebody's home, where hidden files say what programs do.
    """
    shown = repr(path if len(path) <= 200 else f"{path[:200]}…")
    path = unicodedata.normalize("NFC", path)
    for name in path.split("/"):
        if name in ("", "."):
            problem = "is not the plain path of a file, relative to the workspace root"
        elif name == "..":
            problem = "leads out of the workspace"
        elif name.startswith("."):
            problem = "is hidden: files are not sent to names that begin with a dot"
        elif "\\" in name:
            problem = "has a backslash: the parts of a path are separated by slashes"
        elif any(unicodedata.category(each) in _UNSEEN for each in name):
            problem = "has control characters"
        elif len(name.encode()) > LONGEST_NAME:
            problem = f"has a name of more than {LONGEST_NAME} bytes"
        else:
            continue
        raise PathRefused(f"{shown} {problem}", hint="Give it another name, as in calls/2026/first.wav.")
    return path


def check_file(file: UploadFile, limits: Limits) -> UploadFile:
    """A file that may be sent, with the path that it gets.

    Raises:
        PathRefused: see `check_path`.
        InvalidOption: the checksum is none.
        DataError: it is too large.
    """
    path = check_path(file.path)
    if not _CHECKSUM.fullmatch(file.checksum):
        raise InvalidOption(f"{path!r} has no checksum", hint="It is the SHA-256 of its bytes, in hexadecimal.")
    if file.size > limits.file:
        raise DataError(
            f"{path!r} has {show_bytes(file.size)}; this server takes files of up to {show_bytes(limits.file)}",
            hint="Cut it, or have the server's setting THANOSQL_QUERY_UPLOAD_FILE_BYTES raised.",
        )
    return UploadFile(path, file.size, file.checksum)


def check_room(path: str, left: int, room: Room, limits: Limits) -> None:
    """Whether what is left of a file finds room.

    Raises:
        DataError: it does not; the message says how much there is.
    """
    free = room.free - room.promised - limits.spare
    if left > free:
        raise DataError(
            f"there is no room for {path!r}: it needs {show_bytes(left)} more, and of the {show_bytes(room.free)} that "
            f"are free on the server's disk, uploads may take {show_bytes(max(0, free))}",
            hint="Make room there, and send it again.",
        )
    unfinished = limits.unfinished - room.unfinished - room.promised
    if left > unfinished:
        raise DataError(
            f"{path!r} cannot be taken now: {show_bytes(room.unfinished)} of uploads that broke off lie on the server, "
            f"and {show_bytes(limits.unfinished)} at most may",
            hint="Send those to their end, or wait until they are forgotten.",
        )


def key_of(file: UploadFile) -> str:
    """What the unfinished bytes of a file are found by again: the same bytes for the same place."""
    return hashlib.sha256(f"{file.checksum}\0{file.size}\0{file.path}".encode()).hexdigest()[:40]


def show_bytes(number: int) -> str:
    """ "512 bytes", "1.5 MB", "2.00 GB"."""
    for unit, factor, digits in (("GB", 10**9, 2), ("MB", 10**6, 1), ("kB", 10**3, 1)):
        if number >= factor:
            return f"{number / factor:.{digits}f} {unit}"
    return f"{number} bytes"
