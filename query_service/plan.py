"""What a statement will do: a tuple of frozen steps, decided before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.options import Name
from thanosql.types import IfExists, Notice


@dataclass(frozen=True, slots=True)
class FetchRows:
    """Streams the rows of a query."""

    sql: str


@dataclass(frozen=True, slots=True)
class CopyFile:
    """Reads a file into a table."""

    table: Name
    path: Name
    if_exists: IfExists


@dataclass(frozen=True, slots=True)
class RemoveTable:
    """Deletes a table."""

    table: Name
    if_exists: bool


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Deletes a model, all versions."""

    model: Name
    if_exists: bool


@dataclass(frozen=True, slots=True)
class ShowTables:
    """Gives a row for each table."""


@dataclass(frozen=True, slots=True)
class ShowModels:
    """Gives a row for each model."""


@dataclass(frozen=True, slots=True)
class ShowBaseModels:
    """Gives a row for each base model."""


@dataclass(frozen=True, slots=True)
class ShowTable:
    """Gives a row for each column of a table."""

    table: Name


@dataclass(frozen=True, slots=True)
class ShowModel:
    """Gives a row for each property of a model."""

    model: Name


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Gives a clip for each row of a query."""

    sql: str
    audio: Name
    """The column with the path; where its name is the default, a query of one column needs none."""


@dataclass(frozen=True, slots=True)
class MakeReady:
    """Makes a model that was registered and not exported ready to be used."""

    model: Name
    base: str


@dataclass(frozen=True, slots=True)
class WriteRepository:
    """Writes a model as a repository that a Triton server loads."""

    model: Name
    version: int
    """0: the one that the step before has made ready."""
    path: Name


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Gives the rows of a query with the transcripts of their recordings."""

    sql: str
    model: Name
    version: int
    """0: the one that the step before has made ready."""
    audio: Name
    reference: Name | None
    """Column to compute the word error rate against."""
    result: Name
    confidence: Name | None
    words: Name | None
    error: Name | None
    on_error: str
    cache: bool
    batch_size: int
    """Upper bound; 0: the server's own."""
    hotwords: tuple[Name, ...]
    hotword_weight: float | None
    """Nats for each letter of them; None where there are none."""


@dataclass(frozen=True, slots=True)
class TrainModel:
    """Fine-tunes a base model on the rows of a query, as a job of the trainer."""

    sql: str
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


@dataclass(frozen=True, slots=True)
class ShowJobs:
    """Gives a row for each job."""


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Gives a row for each property of a job."""

    job: Name


@dataclass(frozen=True, slots=True)
class StopJob:
    """Cancels a job."""

    job: Name


@dataclass(frozen=True, slots=True)
class TakeUpJob:
    """Resumes a job, and follows it to its end."""

    job: Name


Step = (
    FetchRows
    | CopyFile
    | RemoveTable
    | RemoveModel
    | ShowTables
    | ShowModels
    | ShowBaseModels
    | ShowTable
    | ShowModel
    | PlayAudio
    | MakeReady
    | WriteRepository
    | Transcribe
    | TrainModel
    | FitModel
    | ShowJobs
    | ShowJob
    | StopJob
    | TakeUpJob
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one statement, in order."""

    kind: str
    """What the statement is called: "BUILD MODEL"."""
    steps: tuple[Step, ...]
    notices: tuple[Notice, ...] = ()
    """What the user is told before the first step."""
