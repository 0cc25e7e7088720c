"""Which versions of models nobody will ask for again, though there would be room for them."""

from __future__ import annotations

from pathlib import Path

from inference_service.models.loaded_model import LoadedModel
from inference_service.models.shelf import Shelf
from inference_service.models.versions import identify_files
from thanosql.errors import UnknownModel

SUPERSEDED_SECONDS = 60.0
"""A version that was asked for in this time stays in memory, though a newer one of the model is there."""

GONE_SECONDS = 1.0
"""So long after its files were seen a model serves those who name no version, though none is in the store any more."""


def free_superseded(shelf: Shelf, store: Path, loaded: LoadedModel, now: float) -> None:
    """Frees the versions of a workspace whose files are gone, and those before one that was loaded.

    Args:
        shelf: What is in memory.
        store: The workspace's.
        loaded: The version that was loaded.
        now: By the shelf's clock, in seconds.
    """
    workspace, name, version = loaded.key
    with shelf.lock:
        others = [each.model for key, each in shelf.versions.items() if key[0] == workspace and each.model]
    for model in others:
        _, model_name, model_version = model.key
        unseen = now - model.seen_at
        try:
            identify_files(store, model_name, model_version)
        except UnknownModel:
            if unseen > GONE_SECONDS:
                shelf.retire(model.key)
        else:
            if model_name == name and model_version < version and unseen > SUPERSEDED_SECONDS:
                shelf.retire(model.key)
