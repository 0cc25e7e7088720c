"""Which files of this machine are sent into a workspace, and where each of them goes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from thanosql.errors import DataError, NotFound
from thanosql.types import UploadedFile, UploadOutcome


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is to be sent."""

    file: Path
    """Where it lies on this machine."""
    path: str
    """Where it shall stand, relative to the workspace root."""
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Selection:
    """What was found under the paths that a user gave."""

    files: tuple[LocalFile, ...]
    refused: tuple[UploadedFile, ...] = ()
    """Files that cannot be sent, and why."""
    links: int = 0
    """Links to folders, which are not followed: they may lead in circles."""


def select_files(paths: Sequence[str | Path], to: str = "") -> Selection:
    """The files that the paths stand for: each itself, or all of a folder but hidden ones, in the order of their paths.

    Args:
        paths: Of files and folders on this machine.
        to: Folder of the workspace that files, and the contents of folders, are sent into; for a single file also its
            whole path, which then ends as the file does. Empty: what lies below the current folder keeps its path
            from there, so that a statement that names it works here and there; what lies elsewhere keeps its name.

    Raises:
        NotFound: there is no such file or folder.
        DataError: there is nothing to send.
    """
    files: dict[str, LocalFile] = {}
    refused: list[UploadedFile] = []
    links = 0
    for path, target in ((Path(each), _target(Path(each), to, len(paths) == 1)) for each in paths):
        if not path.exists():
            raise NotFound(f"there is no file or folder {str(path)!r}", hint=f"Looked in {Path.cwd()}.")
        for file, name in _walk(path, target):
            if name is None:
                links += 1
                continue
            problem = _problem_of(file, name)
            # The server writes names in their composed form, whatever they are here.
            key = unicodedata.normalize("NFC", name)
            if not problem and key in files and not _is_same(files[key].file, file):
                problem = f"{files[key].file} goes to the same place"
            if problem:
                shown = name.encode("utf-8", "backslashreplace").decode()
                refused.append(UploadedFile(shown, 0, problem, UploadOutcome.REFUSED))
            else:
                files[key] = LocalFile(file, name, file.stat().st_size)
    if not files and not refused:
        raise DataError("there is no file to send", hint="Folders are sent without hidden files and links to folders.")
    return Selection(tuple(files.values()), tuple(refused), links)


def _target(path: Path, to: str, is_only_one: bool) -> PurePosixPath:
    """Where a file, or the contents of a folder, go."""
    if to:
        target = PurePosixPath(Path(to).as_posix())
        if path.is_dir():
            return target
        is_whole = is_only_one and path.suffix and path.suffix.lower() == target.suffix.lower() and to[-1] != "/"
        return target if is_whole else target / path.name
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, whose names are the user's
    here = Path.cwd()
    return PurePosixPath(whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name)


def _walk(path: Path, target: PurePosixPath) -> Iterator[tuple[Path, str | None]]:
    """Files with their places; None: a link to a folder."""
    if not path.is_dir():
        yield path, target.as_posix()
        return
    for folder, folders, names in os.walk(path):
        below = target / Path(folder).relative_to(path).as_posix()
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        yield from ((Path(folder, each), None) for each in folders if Path(folder, each).is_symlink())
        yield from ((Path(folder, each), (below / each).as_posix()) for each in sorted(names) if each[0] != ".")


def _problem_of(file: Path, name: str) -> str:
    """Why a file cannot be sent; empty: it can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if not file.is_file():
        return "it is a link to nothing" if file.is_symlink() else "it is not a plain file"
    return "" if os.access(file, os.R_OK) else "it may not be read"


def _is_same(first: Path, second: Path) -> bool:
    return first.samefile(second)
