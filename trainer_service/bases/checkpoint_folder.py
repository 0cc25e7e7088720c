"""Looks at a folder of the workspace that should hold a checkpoint: what is there, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thanosql.errors import PathRefused, UnknownBaseModel
from thanosql.workspace import resolve
from trainer_service.bases.hub import CONFIGURATION, PICKLED_WEIGHTS, SAFE_WEIGHTS

_PARTS = (
    ((CONFIGURATION,), "the architecture"),
    (("vocab.json",), "the spelling of its outputs"),
    (("preprocessor_config.json", "processor_config.json"), "how sound is fed to it"),
    ((*SAFE_WEIGHTS, *PICKLED_WEIGHTS), "the weights"),
)
"""What a checkpoint is made of: files of which one must be there, and what it says."""


def read_checkpoint_folder(workspace: Path, name: str, folder: Path) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The configuration and the names of the files of a checkpoint.

    Args:
        workspace: The root that links may not lead out of.
        name: What the user calls the folder.
        folder: Where it is.

    Raises:
        UnknownBaseModel: parts are missing, or the configuration cannot be read.
        PathRefused: a file is a link out of the workspace.
    """
    files = frozenset(file.name for file in folder.iterdir() if _stays_inside(workspace, name, file))
    missing = [f"{names[0]} ({what})" for names, what in _PARTS if files.isdisjoint(names)]
    if missing:
        shown = f"{', '.join(missing[:-1])} and {missing[-1]}" if len(missing) > 1 else missing[0]
        raise UnknownBaseModel(
            f"the folder {name!r} is no checkpoint: it lacks {shown}",
            hint="Give the folder into which a model and its processor were saved: model.save_pretrained(folder); "
            "processor.save_pretrained(folder).",
        )
    try:
        configuration = json.loads((folder / CONFIGURATION).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnknownBaseModel(f"{CONFIGURATION} of the folder {name!r} cannot be read: {error}") from error
    if not isinstance(configuration, dict):
        raise UnknownBaseModel(f"{CONFIGURATION} of the folder {name!r} is no checkpoint's: it holds no JSON object")
    return configuration, files


def _stays_inside(workspace: Path, name: str, file: Path) -> bool:
    """Whether it is a file; one that leads out of the workspace is refused."""
    if file.is_symlink():
        try:
            resolve(workspace, str(file))
        except PathRefused as error:
            raise PathRefused(
                f"{file.name} in the folder {name!r} is a link out of the workspace",
                hint="Copy the file itself into the folder.",
            ) from error
    return file.is_file()
