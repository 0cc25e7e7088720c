"""Finds the recordings in a folder and its subfolders, and whatever else lies there, without opening a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from catalog_service.tables.pace import Clock, Pace
from thanosql.errors import PathRefused
from thanosql.types import Progress
from thanosql.workspace import resolve

SUFFIXES = (
    *(".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc"),
    *(".au", ".snd", ".w64", ".rf64", ".caf"),
)
"""Of files that are taken for recordings; which format each has is told by its content when it is read."""


@dataclass(slots=True)
class Found:
    """What lies in a folder. Paths are relative to it, with slashes."""

    recordings: list[str] = field(default_factory=list)
    """In the order of their paths."""
    texts: list[str] = field(default_factory=list)
    """Files ending in .txt, which may be transcripts."""
    others: Counter[str] = field(default_factory=Counter)
    """How many other files there are, by suffix."""
    links: int = 0
    """That are not followed: to folders, or out of the workspace."""
    unreadable: int = 0
    """Folders that may not be read, and files whose names are no text."""


def find_recordings(root: Path, folder: Path, clock: Clock) -> Generator[Progress, None, Found]:
    """Looks through a folder; what is hidden, or the product's own, is passed over.

    Args:
        root: The workspace.
        folder: Below it.
        clock: For the progress.
    """
    found = Found()
    pace = Pace("look for recordings", "files", 0, clock)
    left = [folder]
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _sort_in(entry, root, folder, found, left)
        except OSError:
            found.unreadable += 1
        yield from pace.report(len(found.recordings))
    found.recordings.sort()
    found.texts.sort()
    return found


def _sort_in(entry: os.DirEntry[str], root: Path, folder: Path, found: Found, left: list[Path]) -> None:
    place = Path(entry.path)
    if not entry.name.isprintable() or not _is_text(entry.name):
        found.unreadable += 1
    elif entry.is_dir(follow_symlinks=False):
        left.append(place)
    elif entry.is_symlink() and not _stays_inside(root, place):
        found.links += 1
    elif entry.is_file():
        path = place.relative_to(folder).as_posix()
        suffix = PurePosixPath(entry.name).suffix.lower()
        if suffix in SUFFIXES:
            found.recordings.append(path)
        elif suffix == ".txt":
            found.texts.append(path)
        else:
            found.others[suffix or "without a suffix"] += 1


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True


def _stays_inside(root: Path, link: Path) -> bool:
    """Whether a link leads to a file below the root; links to folders may lead in circles."""
    try:
        return resolve(root, str(link)).is_file()
    except (PathRefused, OSError):
        return False
