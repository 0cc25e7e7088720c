"""The int8 graph of a model: the one that its training stored with it, else one that is made here, on first need."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from thanosql.errors import InvalidOption
from thanosql.modelstore import GRAPH, ModelDescription
from thanosql.quantisation import FOLDER, quantise_apart

log = logging.getLogger(__name__)


def quantised_graph(graph: Path, description: ModelDescription, places: Sequence[Path]) -> Path:
    """The int8 graph of `graph`; made where it is not there yet, which takes seconds.

    Any number of processes may ask at once: each makes it under a name of its own, and the first to rename wins.

    Args:
        graph: Of fp32, in the model store.
        description: What the version's `model.json` says.
        places: Folders to find it in, or to keep it in: the first that can be made.

    Raises:
        DataError: the graph is damaged.
        InvalidOption: no such folder can be made.
    """
    for place in places:
        if (place / GRAPH).exists():
            return place / GRAPH
    refused = OSError("no place was given")
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        except OSError as error:  # a store that may only be read
            refused = error
            continue
        try:
            log.info("making the int8 graph of version %d of model %s", description.version, description.name)
            quantise_apart(graph, made / place.name / GRAPH, description)
            _rename(made / place.name, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return place / GRAPH
    raise InvalidOption(
        f"the int8 graph of version {description.version} of model {description.name!r} can be kept nowhere: {refused}",
        hint="Let inference_service write the model store or its state folder, or choose precision fp32.",
    ) from refused


def choose_places(folder: Path, description: ModelDescription, cache: Path | None) -> tuple[Path, ...]:
    """Where a version's int8 graph is kept: in its own folder, else in a cache folder."""
    if cache is None:
        return (folder / FOLDER,)
    # The cache outlives the version's folder, and another model may come under the same name.
    status = (folder / GRAPH).stat()
    name = f"{description.name}-{description.version}-{status.st_size:x}-{status.st_mtime_ns:x}"
    return (folder / FOLDER, cache / name / FOLDER)


def _rename(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not (target / GRAPH).exists():
            raise
        # Another process was first; its graph is the same.
