"""What the statements about data sets know: those that are shipped, and the repositories of the hub."""

from __future__ import annotations

import difflib
import re
import shutil
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from thanosql.errors import NameTaken, NotFound, Overloaded, Unavailable
from thanosql.types import Dataset, GetDatasetResult, Progress
from thanosql.workspace import resolve
from trainer_service.bases.hub import Hub
from trainer_service.datasets.download import download
from trainer_service.datasets.placing import are_there, find_files, place_files, require_room

_PACKAGE = Path(__file__).parents[1]

TUTORIAL = Dataset(
    "librispeech_data",
    "tutorial_data/librispeech_data",
    "The tutorial's: 100 short readings in English, 6 minutes, in 28 synthetic voices, with their texts in "
    "librispeech_train.csv and librispeech_test.csv. It is not LibriSpeech, only its form",
)
NAMED = (TUTORIAL,)

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the files of a data set come from, and where they go."""

    path: str
    """Relative to the workspace root."""
    folder: Path
    files: list[Path]
    target: Path


class Datasets:
    """Finds data sets by their names and puts them into the workspace.

    Args:
        workspace: The root that they lie under.
        downloads: Folder for what comes from the hub, until it is whole.
        hub: Where repositories are asked for.
        shipped: Folder with what is shipped; None: where the package or its checkout has it.
        clock: Seconds, for the progress.
    """

    def __init__(
        self, workspace: Path, downloads: Path, hub: Hub, *, clock: Callable[[], float], shipped: Path | None = None
    ) -> None:
        self._workspace, self._downloads, self._hub, self._clock = workspace, downloads, hub, clock
        self._shipped = shipped or _find_shipped()
        self._lock = threading.Lock()

    def list(self) -> tuple[Dataset, ...]:
        """The data sets that have a name."""
        return tuple(
            Dataset(each.name, each.path, each.description, self._is_there(each)) for each in NAMED if self._shipped
        )

    def get(self, name: str, *, overwrite: bool) -> Generator[Progress | GetDatasetResult, None, None]:
        """Puts a data set into the workspace.

        Raises:
            NotFound: there is no such data set.
            NameTaken: files of it are there, and not `overwrite`.
            PathRefused: its folder is a link out of the workspace.
            Unavailable: the hub is out of reach.
            Overloaded: another one is being put there.
        """
        if not self._lock.acquire(blocking=False):
            raise Overloaded("another data set is being put into the workspace", hint="Try again when it is done.")
        try:
            known = next((each for each in NAMED if each.name == name.lower()), None)
            if known is not None and self._shipped:
                folder = self._folder_of(known)
                source = _Source(known.path, folder, find_files(folder), resolve(self._workspace, known.path))
                yield from self._place(source, overwrite)
            elif _REPOSITORY.fullmatch(name):
                yield from self._get_repository(name, overwrite)
            else:
                raise _unknown(name)
        finally:
            self._lock.release()

    def _get_repository(self, repository: str, overwrite: bool) -> Generator[Progress | GetDatasetResult, None, None]:
        target = resolve(self._workspace, repository)
        if target.exists() and not overwrite:  # found out before hours of loading
            raise NameTaken(f"{repository!r} is there already", hint="OPTIONS (overwrite=True) replaces its files.")
        try:
            found = self._hub.ask(repository, "main", "datasets")
        except NotFound as error:
            error.hint = f"{_unknown(repository).hint} A private one needs a token: set HF_TOKEN for the trainer."
            raise
        except Unavailable as error:
            raise Unavailable(
                f"the data set {repository} cannot be had: {error.message}",
                hint="Connect to the internet, or put its files into the workspace by hand. "
                "LIST THANOSQL DATASET shows what is there without the hub.",
            ) from error
        folder = self._downloads / f"{repository.replace('/', '--')}@{found.revision}"
        yield from download(repository, found.revision, folder, self._hub.endpoint)
        yield from self._place(_Source(repository, folder, find_files(folder), target), overwrite)
        shutil.rmtree(folder, ignore_errors=True)

    def _place(self, source: _Source, overwrite: bool) -> Generator[Progress | GetDatasetResult, None, None]:
        if not source.files:
            raise NotFound(f"the data set {source.path} has no files")
        if not overwrite:
            require_room(source.path, source.folder, source.files, source.target)
        if source.target == source.folder.resolve():  # the workspace is the checkout itself
            size = sum((source.folder / file).stat().st_size for file in source.files)
        else:
            size = yield from place_files(source.folder, source.files, source.target, self._clock)
        yield GetDatasetResult(source.path, len(source.files), size)

    def _folder_of(self, dataset: Dataset) -> Path:
        assert self._shipped is not None
        return self._shipped / Path(dataset.path).relative_to("tutorial_data")

    def _is_there(self, dataset: Dataset) -> bool:
        folder = self._folder_of(dataset)
        return are_there(folder, find_files(folder), self._workspace.resolve() / dataset.path)


def _find_shipped() -> Path | None:
    """The folder tutorial_data: in the package where it was installed, beside it in a checkout."""
    places = (_PACKAGE / "bundled" / "tutorial_data", _PACKAGE.parent / "tutorial_data")
    return next((place for place in places if place.is_dir()), None)


def _unknown(name: str) -> NotFound:
    near = difflib.get_close_matches(name.lower(), [each.name for each in NAMED], n=1, cutoff=0.5)
    meant = f"Did you mean {near[0]}? " if near else ""
    return NotFound(
        f"there is no data set {name!r}",
        hint=f"{meant}LIST THANOSQL DATASET shows those that have a name; others, in quotes, by the id of a Hugging "
        "Face repository: 'owner/name'.",
    )
