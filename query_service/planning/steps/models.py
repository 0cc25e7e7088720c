"""Steps over models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from query_service.language.options import Name
from query_service.planning.steps.query import TableQuery


@dataclass(frozen=True, slots=True)
class MakeReady:
    """Makes a model that was registered and not exported ready to be used."""

    TITLE: ClassVar[str] = "make model ready"

    model: Name
    base: str


@dataclass(frozen=True, slots=True)
class TrainModel:
    """Fine-tunes a base model on the rows of a query, as a job of the trainer."""

    TITLE: ClassVar[str] = "train model"

    query: TableQuery
    model: Name
    base: Name
    audio: Name
    text: Name
    epochs: int
    batch_size: int
    learning_rate: float | None
    eval_fraction: float | None
    seed: int
    early_stopping: bool
    lora: bool
    augmentation: bool | None
    language_model: Name | None
    """ "true", "false" or a path; None: built where there are enough words, and kept where it helps."""
    devices: int
    statement: str


@dataclass(frozen=True, slots=True)
class FitModel(TrainModel):
    """Goes on training a model, which `base` names."""

    TITLE: ClassVar[str] = "go on training model"


@dataclass(frozen=True, slots=True)
class GetModel:
    """Makes a model of a pre-built one, as a job of the trainer."""

    TITLE: ClassVar[str] = "get model"

    name: Name
    """Of the pre-built one."""
    model: Name
    statement: str


@dataclass(frozen=True, slots=True)
class UploadModel:
    """Makes a model of a checkpoint in a folder, as a job of the trainer."""

    TITLE: ClassVar[str] = "upload model"

    model: Name
    path: Name
    statement: str


@dataclass(frozen=True, slots=True)
class GetDataset:
    """Puts a data set into the workspace."""

    TITLE: ClassVar[str] = "get data set"

    name: Name
    replaces: bool


@dataclass(frozen=True, slots=True)
class WriteRepository:
    """Writes a model as a repository that a Triton server loads."""

    TITLE: ClassVar[str] = "write repository"

    model: Name
    version: int
    """0: the one that the step before has made ready."""
    path: Name


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Deletes a model, all versions."""

    TITLE: ClassVar[str] = "remove model"

    model: Name
    if_exists: bool
