"""Where a file goes that was sent, what stands there, and how it is put there whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from thanosql.errors import NameTaken, PathRefused
from thanosql.types import UploadFile
from thanosql.workspace import resolve

BLOCK = 1 << 20
"""Bytes read at once."""


class Places:
    """The places of files below the root of a workspace.

    Args:
        root: Of the workspace; made where it is not there.
        protected: Folders of the services' own, which may lie in the workspace.

    Raises:
        OSError: the root cannot be made.
    """

    def __init__(self, root: Path, protected: Iterable[Path]) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        # One that holds the workspace, as a state folder does with those of the further workspaces, bars nothing in it.
        self._protected = [each for each in map(Path.resolve, protected) if not self.root.is_relative_to(each)]

    def find(self, path: str) -> Path:
        """The place of a file, where nothing else is in the way.

        Args:
            path: A checked one (`rules.check_path`).

        Raises:
            PathRefused: a link leads out of the workspace, or into a folder of the services' own.
            NameTaken: a folder has the name, or a file has that of one of its folders.
        """
        place = resolve(self.root, path)
        if any(map(place.is_relative_to, self._protected)):
            raise PathRefused(f"{path!r} lies in a folder of the services' own", hint="Choose another.")
        if place.is_dir():
            raise NameTaken(f"{path!r} is a folder", hint="Send the file into it, or to another name.")
        for parent in place.parents:
            if parent == self.root:
                break
            # In this order: another upload may be making the folder just now.
            if os.path.lexists(parent):
                if parent.is_dir():
                    break
                name = parent.relative_to(self.root).as_posix()
                raise NameTaken(
                    f"{path!r} has no place: {name!r} is a file, not a folder", hint="Choose another folder."
                )
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


def put(part: Path, place: Path) -> set[Path]:
    """Moves a whole file to its place; who reads there sees the one that was there before, or this one whole.

    Returns:
        The folders with new names in them, for `sync_folders`.

    Raises:
        OSError: it cannot be put there.
    """
    changed = {place.parent}
    if not place.parent.is_dir():
        changed |= {each.parent for each in place.parents if not each.exists()}
        place.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(part, place)
    return changed


def sync_folders(folders: Iterable[Path]) -> None:
    """Returns when the names in some folders are on the disk: those of many files at once, since it takes long."""
    for folder in folders:
        with suppress(OSError):  # a system whose folders cannot be opened, or one that has gone meanwhile
            file = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)


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
