"""What a name after USING stands for: a named base model, a repository of the hub, a folder, or the bundled model."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from thanosql.errors import BaseModelUnavailable, NotFound, PathRefused, Unavailable, UnknownBaseModel
from thanosql.types import BaseModel, BaseModelSource
from thanosql.workspace import resolve
from trainer_service.bases.checkpoint_folder import read_checkpoint_folder
from trainer_service.bases.hub import CONFIGURATION, PICKLED_WEIGHTS, SAFE_WEIGHTS, Hub

BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled" / "wav2vec2-tiny-en"

BUNDLED = BaseModel(
    "Wav2Vec2EnTiny",
    BUNDLED_FOLDER.name,
    language="en",
    source=BaseModelSource.BUNDLED,
    description="English, 8 million parameters, shipped with the product: for trying things out, far weaker than "
    "Wav2Vec2En on real recordings",
)
ENGLISH = BaseModel(
    "Wav2Vec2En",
    "facebook/wav2vec2-base-960h",
    "22aad52d435eb6dbaf354bdad9b0da84ce7d6156",
    "en",
    description="English, 95 million parameters, trained on 960 hours of LibriSpeech",
)
NAMED = (
    ENGLISH,
    BaseModel(
        "Wav2Vec2Ko",
        "kresnik/wav2vec2-large-xlsr-korean",
        "main",
        "ko",
        description="Korean, 317 million parameters, trained on 52 hours of Zeroth-Korean",
    ),
    BUNDLED,
)

ARCHITECTURES = {
    "wav2vec2": "Wav2Vec2ForCTC",
    "hubert": "HubertForCTC",
    "data2vec-audio": "Data2VecAudioForCTC",
}
"""What can be trained and served, by the type of model. Not WavLM, whose attention adds
relative positions."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


class BaseModels:
    """Resolves names, in the light of what can be had here and now.

    Args:
        workspace: The root that folders lie under.
        hub: Where repositories are asked for.
        strict: Never fall back to the bundled model.
    """

    def __init__(self, workspace: Path, hub: Hub, *, strict: bool) -> None:
        self._workspace, self._hub, self._strict = workspace, hub, strict

    def under(self, workspace: Path) -> BaseModels:
        """The same, for the folders of another workspace."""
        return BaseModels(workspace, self._hub, strict=self._strict)

    def list(self) -> tuple[BaseModel, ...]:
        """The base models that have a name, and whether they are on the disk; asks no network."""
        return tuple(self._from_disk(base) or base for base in NAMED)

    def resolve(self, name: str) -> BaseModel:
        """What `name` stands for; the name itself stays as it was given.

        Raises:
            UnknownBaseModel: neither a name, nor a repository, nor a folder with a Wav2Vec2 CTC model.
            PathRefused: a folder outside the workspace.
            BaseModelUnavailable: it is neither on the disk nor to be had from the hub.
        """
        for base in NAMED:
            if base.name.lower() == name.lower():
                return self._resolve_named(base)
        if not name.strip():
            raise _unknown(name)
        folder = self._find_folder(name)
        if folder is not None:
            shown = name.removeprefix("./")
            require_ctc_model(repr(shown), *read_checkpoint_folder(self._workspace, shown, folder))
            return BaseModel(shown, str(folder), source=BaseModelSource.FOLDER)
        if _REPOSITORY.fullmatch(name):
            return self._resolve_repository(BaseModel(name, name, "main"))
        raise _unknown(name)

    def _resolve_named(self, base: BaseModel) -> BaseModel:
        try:
            return self._resolve_repository(base)
        except BaseModelUnavailable as error:
            if base is not ENGLISH or self._strict:
                raise
            return replace(
                _with_fingerprint(BUNDLED),
                name=base.name,
                fallback_notice=f"{base.name} ({base.checkpoint}) cannot be had: {error.message.split(': ', 1)[-1]}. "
                f"The bundled model {BUNDLED.name} takes its place. It is far weaker: good for trying things out, not "
                f"for real recordings. Connect to the internet once, or copy the checkpoint into the Hugging Face "
                f"cache, for {base.name} itself.",
            )

    def _resolve_repository(self, base: BaseModel) -> BaseModel:
        known = self._from_disk(base)
        if known is not None:
            return known
        try:
            found = self._hub.ask(base.checkpoint, base.revision)
        except Unavailable as error:
            raise BaseModelUnavailable(
                f"the base model {base.checkpoint} is not on this machine, and the hub is out of reach: "
                f"{error.message}",
                hint="Connect to the internet, or put the checkpoint into a folder of the workspace and name that "
                f"folder; {BUNDLED.name} is always there.",
            ) from error
        except NotFound as error:
            raise UnknownBaseModel(
                f"base model {base.name!r} does not exist: {error.message}, and no folder of the workspace",
                hint=f"{_nearest(base.name)} A private repository needs a token: set HF_TOKEN for the trainer.",
            ) from error
        require_ctc_model(base.checkpoint, found.configuration, found.files, pickles=base in NAMED)
        return replace(base, revision=found.revision, source=BaseModelSource.HUB)

    def _from_disk(self, base: BaseModel) -> BaseModel | None:
        """The base model with what is on this machine; None where nothing is."""
        if base is BUNDLED:
            return _with_fingerprint(base)
        cached = self._hub.find_cached(base.checkpoint, base.revision)
        if cached is None:
            return None
        require_ctc_model(base.checkpoint, cached[1].configuration, cached[1].files, pickles=base in NAMED)
        return replace(base, revision=cached[1].revision, source=BaseModelSource.CACHED)

    def _find_folder(self, name: str) -> Path | None:
        try:
            folder = resolve(self._workspace, name)
        except PathRefused:
            if name.startswith(("/", ".", "~")) or "\\" in name:
                raise
            return None
        return folder if folder.is_dir() else None


def require_ctc_model(
    what: str, configuration: Mapping[str, Any], files: Collection[str], *, pickles: bool = False
) -> None:
    """Refuses a checkpoint that the trainer's graph cannot compute, or whose weights could run code when they are read.

    Args:
        what: Names it in messages.
        configuration: Its `config.json`.
        files: Names of its files.
        pickles: Weights as a pickle are accepted too (of the repositories that this product names itself; they are
            read as weights only).

    Raises:
        UnknownBaseModel: it cannot be used.
    """
    architectures = configuration.get("architectures") or ["no architecture"]
    if ARCHITECTURES.get(configuration.get("model_type", "")) not in architectures:
        found = f"{configuration.get('model_type', 'no model type')}, {', '.join(architectures)}"
        raise UnknownBaseModel(
            f"{what} is no Wav2Vec2, HuBERT or Data2Vec model with a CTC head: its {CONFIGURATION} says {found}",
            hint="Choose a checkpoint that was fine-tuned for speech recognition: its architecture is one of "
            f"{', '.join(ARCHITECTURES.values())}.",
        )
    if "vocab.json" not in files:
        raise UnknownBaseModel(
            f"{what} has no vocab.json, so its outputs have no spelling",
            hint="Save the processor beside the model: processor.save_pretrained(folder).",
        )
    if not set(files).isdisjoint(SAFE_WEIGHTS):
        return
    if set(files).isdisjoint(PICKLED_WEIGHTS):
        raise UnknownBaseModel(f"{what} holds no weights", hint=f"Looked for {SAFE_WEIGHTS[0]}.")
    if not pickles:
        raise UnknownBaseModel(
            f"{what} has its weights only as a pickle ({PICKLED_WEIGHTS[0]}), which can run code when it is read",
            hint="Load it once where you trust it, and save it as safetensors, in Python: "
            "AutoModelForCTC.from_pretrained(folder).save_pretrained(folder)",
        )


def _unknown(name: str) -> UnknownBaseModel:
    return UnknownBaseModel(f"base model {name!r} does not exist", hint=_nearest(name))


def _nearest(name: str) -> str:
    by_lower = {base.name.lower(): base.name for base in NAMED}
    close = difflib.get_close_matches(name.lower().rsplit("/", 1)[-1], by_lower, n=1, cutoff=0.5)
    known = f"Named base models are {', '.join(by_lower.values())}; or give, in quotes, a Hugging Face repository id "
    meant = f"Did you mean {by_lower[close[0]]}? " if close else ""
    return f"{meant}{known}or a folder of the workspace."


@cache
def _with_fingerprint(base: BaseModel) -> BaseModel:
    """The bundled model, its revision told from the weights: the files may be replaced by better ones."""
    digest = hashlib.sha256((BUNDLED_FOLDER / SAFE_WEIGHTS[0]).read_bytes()).hexdigest()
    return replace(base, revision=digest[:12])
