"""Steps over jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from query_service.language.options import Name


@dataclass(frozen=True, slots=True)
class StopJob:
    """Cancels a job."""

    TITLE: ClassVar[str] = "stop job"

    job: Name


@dataclass(frozen=True, slots=True)
class TakeUpJob:
    """Resumes a job, and follows it to its end."""

    TITLE: ClassVar[str] = "take up job"

    job: Name
