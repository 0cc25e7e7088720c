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

    The last checkpoint of a training is kept for some days, so that it can be resumed. The transcripts that a PREDICT
    has made are kept too (unless it said `cache=False`): run again, it goes on from there.
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

    It gives the row that BUILD MODEL gives. A job that waits or runs is followed; interrupting the statement
    cancels it.
    """

    KIND = "RESUME JOB"
    FORM = "RESUME JOB id"
    ROLE = Role.WRITER

    job: Name
