"""Statements about jobs: CANCEL, RESUME."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Statement):
    """Stops a training or a statement, whoever has sent it.

        CANCEL JOB 4f2e91ab

    The id is that of LIST JOBS; as many of its first characters as make it clear are enough, four at least. The last
    checkpoint of a training is kept for some days, so that RESUME JOB goes on from it. The transcripts that a
    PREDICT has made are kept too (unless it said cache=False): run again, it goes on from there. A reader may stop
    statements of its own; those of others, and trainings, take a writer.

    Errors: NotFound where there is no such job, PermissionDenied.
    """

    KIND = "CANCEL JOB"
    FORM = "CANCEL JOB id"
    # Of one's own statements; those of others and trainings need a writer (`query_service.callers.grants`).
    ROLE = Role.READER

    job: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeJob(Statement):
    """Takes a training that failed or was cancelled up again, from its last checkpoint, and follows it to its end.

        RESUME JOB 4f2e91ab

    A job that waits or runs is followed; interrupting the statement cancels it. The model is the one that an
    uninterrupted training makes.

    Gives: the row of BUILD MODEL.

    Errors: NotFound where there is no such job or its checkpoint is no longer kept, JobFailed where it fails again.
    """

    KIND = "RESUME JOB"
    FORM = "RESUME JOB id"
    ROLE = Role.WRITER

    job: Name
