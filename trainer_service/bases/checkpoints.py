"""Loads a base model with transformers: from the hub, its cache, a folder, or the package."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

from thanosql.errors import BaseModelUnavailable, UnknownBaseModel
from thanosql.types import BaseModel, BaseModelSource, Progress
from trainer_service.bases.base_models import BUNDLED_FOLDER, NAMED
from trainer_service.bases.hub import SAFE_WEIGHTS
from trainer_service.data.dataset import Tell
from trainer_service.export.graph import SpeechGraph

FILES = ("*.json", *SAFE_WEIGHTS[:1], "model-*.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A CTC model in memory, with what turns sound into its input and text into its labels."""

    model: Any
    """A `Wav2Vec2ForCTC`, `HubertForCTC` or `Data2VecAudioForCTC`."""
    tokenizer: Wav2Vec2CTCTokenizer
    feature_extractor: Wav2Vec2FeatureExtractor

    def graph(self) -> SpeechGraph:
        """The network that is trained and served; shares the model's parameters."""
        return SpeechGraph(self.model, normalises=bool(self.feature_extractor.do_normalize))


def load_checkpoint(base: BaseModel, tell: Tell) -> Checkpoint:
    """Loads a resolved base model, as float32.

    Raises:
        BaseModelUnavailable: the download broke off.
        UnknownBaseModel: transformers cannot make sense of the files.
    """
    folder = _download(base, tell) if base.source is BaseModelSource.HUB else _local_folder(base)
    try:
        return load_folder(folder, pickles=_is_named(base))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UnknownBaseModel(
            f"the checkpoint of {base.name} cannot be loaded: {error}",
            hint="Is the copy whole? Remove it and try again.",
        ) from error


def load_folder(folder: Path, *, pickles: bool = False) -> Checkpoint:
    """Loads the checkpoint in a folder, as float32; `pickles`: its weights may be a pickle of weights only."""
    options: dict[str, Any] = {"local_files_only": True}
    has_safe = any((folder / name).exists() for name in SAFE_WEIGHTS)
    return Checkpoint(
        AutoModelForCTC.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=has_safe or not pickles, **options
        ),
        Wav2Vec2CTCTokenizer.from_pretrained(folder, **options),
        Wav2Vec2FeatureExtractor.from_pretrained(folder, **options),
    )


def _is_named(base: BaseModel) -> bool:
    return base.checkpoint in {named.checkpoint for named in NAMED}


def _local_folder(base: BaseModel) -> Path:
    if base.source is BaseModelSource.BUNDLED:
        return BUNDLED_FOLDER
    if base.source is BaseModelSource.FOLDER:
        return Path(base.checkpoint)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(base.checkpoint, revision=base.revision, local_files_only=True))


def _download(base: BaseModel, tell: Tell) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    wanted = [*FILES]
    blobs = Path(constants.HF_HUB_CACHE) / f"models--{base.checkpoint.replace('/', '--')}" / "blobs"
    try:
        if _is_named(base) and SAFE_WEIGHTS[0] not in HfApi().list_repo_files(base.checkpoint, revision=base.revision):
            wanted.append("pytorch_model.bin")
        with _telling_size(blobs, tell):
            return Path(snapshot_download(base.checkpoint, revision=base.revision, allow_patterns=wanted))
    except Exception as error:  # the hub's client raises errors of several libraries
        raise BaseModelUnavailable(
            f"the download of {base.checkpoint} broke off: {error}",
            hint="Run the statement again: what was loaded so far is kept.",
        ) from error


@contextlib.contextmanager
def _telling_size(folder: Path, tell: Tell) -> Iterator[None]:
    """Tells, each second, how many bytes lie in a folder."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            with contextlib.suppress(OSError):  # files come and go
                tell(Progress("download", sum(file.stat().st_size for file in folder.iterdir()), unit="bytes"))

    watcher = threading.Thread(target=watch, name="download", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
