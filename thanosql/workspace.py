"""The rule for paths: everything a statement names lies under the workspace root; and the names of workspaces."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from thanosql.errors import InvalidOption, NotFound, PathRefused, Unavailable

DEFAULT_WORKSPACE = "default"
"""The workspace that is there without being made: that of a laptop."""

STATE_FOLDER = ".thanosql"
"""Folder under the workspace root that holds the product's own files; no statement may name it."""


_LONGEST_NAME, _LONGEST_PATH = 255, 4_000
"""Bytes that file systems take."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def is_name(text: str) -> bool:
    """Whether it can be the name of a workspace."""
    return _NAME.fullmatch(text) is not None


def check_name(workspace: str) -> str:
    """The name of a workspace, as it is.

    It becomes the name of folders and of database schemas, and so has few letters.

    Raises:
        InvalidOption: it is none.
    """
    if not is_name(workspace):
        raise InvalidOption(
            f"{workspace!r} is not the name of a workspace",
            hint="Take small Latin letters, digits and underscores, beginning with a letter, 40 at most.",
        )
    return workspace


def check_apart(first_root: Path, *folders: Path) -> None:
    """Whether no path of the first workspace leads into another's folders, nor the other way round.

    Args:
        first_root: Of the first workspace.
        folders: Of another one, or those in which others have theirs.

    Raises:
        Unavailable: one does.
    """
    first = first_root.resolve()
    for folder in map(Path.resolve, folders):
        inside = folder.is_relative_to(first) and folder.relative_to(first).parts[:1] != (STATE_FOLDER,)
        if inside or first.is_relative_to(folder):
            raise Unavailable(
                f"the folder {folder} of other workspaces and {first}, the first one's, do not lie apart",
                hint="Choose another folder with --workspaces, or --state where that is not given: outside the first "
                f"workspace's root, or in its {STATE_FOLDER}.",
            )


def resolve(root: Path, path: str) -> Path:
    """The file that `path` names, below `root`.

    Links are followed before the check, so that none leads out. A name whose letters are composed of others, as `é` and
    Hangul are, is found in whichever of Unicode's forms it was written to the disk: that of macOS is not that of
    keyboards.

    Raises:
        PathRefused: the path is absolute and elsewhere, climbs out, is a URL, or names the state folder.
        NotFound: it is longer than that of any file.
    """
    if "://" in path:
        raise PathRefused(
            f"{path!r} is a URL, and this server allows none",
            hint="Put the file under the workspace root and name it by its relative path.",
        )
    if "\0" in path:
        raise PathRefused(f"{path!r} is not a path")
    encoded = os.fsencode(path)
    if len(encoded) > _LONGEST_PATH or max(map(len, encoded.split(b"/"))) > _LONGEST_NAME:
        raise NotFound(
            f"{path[:100]!r} … is not the path of a file: it is too long",
            hint=f"A name has at most {_LONGEST_NAME} bytes, a path {_LONGEST_PATH}.",
        )
    base = root.resolve()
    resolved = Path(os.path.realpath(base / path))
    if not path.isascii() and not os.path.lexists(resolved):
        forms = (Path(os.path.realpath(base / unicodedata.normalize(form, path))) for form in ("NFC", "NFD"))
        resolved = next((each for each in forms if os.path.lexists(each)), resolved)
    if not resolved.is_relative_to(base):
        raise PathRefused(
            f"{path!r} leads out of the workspace",
            hint=f"Paths are relative to the workspace root ({base}) and stay below it.",
        )
    # Some file systems make no difference between large letters and small ones.
    if [each.casefold() for each in resolved.relative_to(base).parts[:1]] == [STATE_FOLDER]:
        raise PathRefused(f"{path!r} lies in the product's own folder {STATE_FOLDER}")
    return resolved


def existing_file(root: Path, path: str) -> Path:
    """Like `resolve`, for a file that must be there.

    Raises:
        PathRefused: see `resolve`.
        NotFound: there is no such file; the hint names the nearest folder that exists.
    """
    file = resolve(root, path)
    try:
        is_file = file.is_file()
    except OSError as error:  # a name that is too long for the file system
        raise NotFound(f"{path[:100]!r} … is not the path of a file: {error.strerror}") from error
    if not is_file:
        what = "is a folder, not a file" if file.is_dir() else "does not exist"
        nearest = next(p for p in (file, *file.parents) if p.is_dir())
        raise NotFound(
            f"file {path!r} {what}",
            hint=f"Looked in the workspace root {root.resolve()}; the nearest folder there is {nearest}.",
        )
    return file
