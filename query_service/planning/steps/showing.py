"""Steps that show what there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from query_service.language.options import Name


@dataclass(frozen=True, slots=True)
class ShowTables:
    """Gives a row for each table."""

    TITLE: ClassVar[str] = "show tables"
    COLUMNS: ClassVar[tuple[str, ...]] = ("name", "rows", "columns", "last_updated_utc")


@dataclass(frozen=True, slots=True)
class ShowModels:
    """Gives a row for each model."""

    TITLE: ClassVar[str] = "show models"
    COLUMNS: ClassVar[tuple[str, ...]] = ("name", "class_name", "version", "wer", "last_updated_utc")


@dataclass(frozen=True, slots=True)
class ShowBaseModels:
    """Gives a row for each base model."""

    TITLE: ClassVar[str] = "show base models"
    COLUMNS: ClassVar[tuple[str, ...]] = ("name", "checkpoint", "revision", "language", "source", "description")


@dataclass(frozen=True, slots=True)
class ShowPrebuiltModels:
    """Gives a row for each pre-built model."""

    TITLE: ClassVar[str] = "show pre-built models"
    COLUMNS: ClassVar[tuple[str, ...]] = ("name", "language", "source", "checkpoint", "models", "description")


@dataclass(frozen=True, slots=True)
class ShowDatasets:
    """Gives a row for each data set."""

    TITLE: ClassVar[str] = "show data sets"
    COLUMNS: ClassVar[tuple[str, ...]] = ("name", "path", "is_there", "description")


@dataclass(frozen=True, slots=True)
class ShowTable:
    """Gives a row for each column of a table."""

    TITLE: ClassVar[str] = "show table"

    table: Name


@dataclass(frozen=True, slots=True)
class ShowModel:
    """Gives a row for each property of a model."""

    TITLE: ClassVar[str] = "show model"

    model: Name


@dataclass(frozen=True, slots=True)
class ShowJobs:
    """Gives a row for each job."""

    TITLE: ClassVar[str] = "show jobs"
    COLUMNS: ClassVar[tuple[str, ...]] = (
        *("id", "kind", "model", "state", "progress", "rate", "seconds_left", "attempts", "created_utc", "who"),
        *("trainer", "statement"),
    )


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Gives a row for each property of a job."""

    TITLE: ClassVar[str] = "show job"

    job: Name
