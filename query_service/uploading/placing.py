"""Where a file goes that was sent, what stands there, and how it is put there whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from thanosql.errors import NameTaken, PathRefused
from thanosql.types import UploadFile
from thanosql.workspace import resolve

BLOCK = 1 << 20
"""Bytes read at once."""


def find_place(root: Path, path: str, protected: Sequence[Path]) -> Path:
    """The place of a file below `root`, where nothing else is in the way.

    Args:
        root: Of the workspace.
        path: A checked one (`rules.check_path`).
        protected: Folders of the services' own, which may lie in the workspace.

    Raises:
        PathRefused: a link leads out of the workspace, or into a folder of the services' own.
        NameTaken: a folder has the name, or a file has that of one of its folders.
    """
    place = resolve(root, path)
    base = root.resolve()
    for each in protected:
        # One that holds the workspace, as a state folder does with those of the further workspaces, bars nothing in it.
        if place.is_relative_to(each) and not base.is_relative_to(each):
            raise PathRefused(f"{path!r} lies in a folder of the services' own", hint="Choose another.")
    if place.is_dir():
        raise NameTaken(f"{path!r} is a folder", hint="Send the file into it, or to another name.")
    for parent in place.parents:
        if parent == base or parent.is_dir():
            break
        if os.path.lexists(parent):
            taken = parent.relative_to(base).as_posix()
            raise NameTaken(f"{path!r} has no place: {taken!r} is a file, not a folder", hint="Choose another folder.")
    return place


def holds(place: Path, file: UploadFile) -> bool:
    """Whether a file stands there that has just these bytes.

    Raises:
        OSError: it cannot be read.
    """
    try:
        if place.stat().st_size != file.size:
            return False
        digest = hashlib.sha256()
        with place.open("rb", buffering=0) as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        return digest.hexdigest() == file.checksum
    except FileNotFoundError:
        return False


def taken(path: str) -> NameTaken:
    """What a file is refused with where another stands."""
    return NameTaken(f"another file stands at {path!r}", hint="overwrite=True (--overwrite) replaces it.")


def put(part: Path, place: Path) -> None:
    """Moves a whole file to its place; who reads there sees the one that was there before, or this one whole.

    Raises:
        OSError: it cannot be put there.
    """
    made = [each for each in place.parents if not each.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(part, place)
    # The names must be on the disk too, those of new folders included.
    for folder in (place.parent, *(each.parent for each in made)):
        _sync_folder(folder)


def _copy(part: Path, place: Path) -> None:
    """For a folder of the workspace that is another disk."""
    draft = place.parent / f".{part.name}"
    try:
        with part.open("rb") as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    part.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # a system whose folders cannot be opened
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
