"""Puts the files of a data set into the workspace: a file is there whole or not at all, a new folder too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from thanosql.errors import DataError, NameTaken
from thanosql.types import Progress
from trainer_service.jobs.jobs import explain_disk, is_disk_full

EVERY_SECONDS = 0.5
_PREFIX = ".thanosql-data-"
_SHOWN = 3


def find_files(folder: Path) -> list[Path]:
    """The files of a data set, relative to its folder, in the order of their paths; hidden ones are none of them."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in files if not any(part.startswith(".") for part in file.parts))


def are_there(source: Path, files: Sequence[Path], target: Path) -> bool:
    """Whether all files are in the folder `target`, as long as they should be."""
    there = (target / file for file in files)
    return all(
        place.is_file() and place.stat().st_size == (source / file).stat().st_size
        for place, file in zip(there, files, strict=True)
    )


def require_room(path: str, source: Path, files: Sequence[Path], target: Path) -> None:
    """Whether no file would be replaced.

    Raises:
        NameTaken: some would be.
    """
    there = [file.as_posix() for file in files if (target / file).exists()]
    if not there:
        return
    shown = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "")
    whole = "The data set is there already. " if are_there(source, files, target) else ""
    raise NameTaken(
        f"{path!r} has {len(there)} of the {len(files)} files already: {shown}",
        hint=f"{whole}OPTIONS (overwrite=True) replaces them.",
    )


def place_files(
    source: Path, files: Sequence[Path], target: Path, clock: Callable[[], float]
) -> Generator[Progress, None, int]:
    """Copies files into a folder; those that are there are replaced, one by one. How many bytes they have.

    Args:
        source: The folder that the files are relative to.
        files: Which.
        target: The folder that they come into; made where it is not there.
        clock: For the progress.

    Raises:
        DataError, JobFailed: they cannot be written.
    """
    # On the same file system as the target, so that what was written whole needs only another name.
    above = next(each for each in target.parents if each.is_dir())
    for left in above.glob(f"{_PREFIX}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        new = folder / "files"
        sizes = [(source / file).stat().st_size for file in files]
        done, told = 0, clock()
        for file, size in zip(files, sizes, strict=True):
            place = new / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, place)
            done += size
            if clock() - told >= EVERY_SECONDS:
                told = clock()
                yield Progress("write files", done, sum(sizes), "bytes")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            new.rename(target)
        else:
            for file in files:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                (new / file).replace(target / file)
        yield Progress("write files", done, done, "bytes")
        return done
    except OSError as error:
        if is_disk_full(str(error)):
            raise explain_disk(str(error)) from error
        raise DataError(
            f"the data set cannot be written to {target}: {error.strerror or error}",
            hint="Let trainer_service write there, and run the statement again.",
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
