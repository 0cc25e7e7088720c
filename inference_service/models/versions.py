"""What stands in the model store: the versions of a model, and whether their files are still the same."""

from __future__ import annotations

import os
from pathlib import Path

from thanosql.errors import UnknownModel
from thanosql.modelstore import DESCRIPTION, GRAPH

Files = tuple[int, ...]
"""Tells the files of a version from those of another one under the same name."""

_NAMED = 8
"""Models, or versions, that a message names at most."""


def identify_files(store: Path, name: str, version: int) -> Files:
    """What tells these files from others; costs some microseconds, because every request asks.

    Raises:
        UnknownModel: there is no such version.
    """
    try:
        if os.path.basename(name) != name:  # noqa: PTH119 # names come from callers, and shall not lead elsewhere
            raise unknown_model(name, version)
        graph = os.stat(f"{store}/{name}/{version}/{GRAPH}")  # noqa: PTH116
        description = os.stat(f"{store}/{name}/{version}/{DESCRIPTION}")  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise unknown_model(name, version) from error
    return tuple(part for each in (graph, description) for part in (each.st_ino, each.st_mtime_ns, each.st_size))


def list_versions(store: Path, name: str) -> list[int]:
    """The versions of a model, the newest first; empty: there is none."""
    if not name or os.path.basename(name) != name:  # noqa: PTH119
        return []
    try:
        versions = [int(each) for each in os.listdir(f"{store}/{name}") if each.isdecimal()]  # noqa: PTH208
    except (OSError, ValueError):
        return []
    return sorted(versions, reverse=True)


def say_what_exists(store: Path, name: str) -> str:
    """A hint for whoever asked for something that is not there: the versions of the model, or the models.

    For callers who cannot ask the catalog; it looks at the disk.
    """
    if versions := list_versions(store, name):
        numbers = ", ".join(map(str, versions[:_NAMED]))
        return f"Of {name!r} there is version {numbers}{' and older ones' if versions[_NAMED:] else ''}."
    try:
        names = sorted(each for each in os.listdir(store) if list_versions(store, each))  # noqa: PTH208
    except OSError:
        names = []
    if not names:
        return f"There is no model in {store.name!r} at all."
    return f"There is {', '.join(map(repr, names[:_NAMED]))}{' and others' if names[_NAMED:] else ''}."


def unknown_model(name: str, version: int) -> UnknownModel:
    """The error for a version that is not there; 0: for a model."""
    return UnknownModel(
        f"the model store has no version {version} of a model {name!r}"
        if version
        else f"the model store has no model {name!r}",
        hint="LIST MODEL shows the models. Do trainer_service and inference_service share one model store?",
    )
