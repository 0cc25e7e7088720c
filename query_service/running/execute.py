"""Carries out a script: each statement is checked against a fresh snapshot, planned, and its plan walked."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from query_service.config import QueryConfig
from query_service.explaining.steps import STEPS as EXPLAINING
from query_service.jobs.steps import STEPS as JOBS
from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.models.steps import STEPS as MODELS
from query_service.planning.analyze import analyze
from query_service.running.cancellation import Cancellation
from query_service.running.event_log import Payload
from query_service.running.services import Services
from query_service.running.walk import StepRunner, walk
from query_service.running.work import Work
from query_service.showing.steps import STEPS as SHOWING
from query_service.tables.steps import STEPS as TABLES
from query_service.transcribing.steps import STEPS as TRANSCRIBING
from thanosql.types import StatementDone, StatementStarted

STEPS: dict[type[Any], StepRunner] = {**TABLES, **TRANSCRIBING, **MODELS, **JOBS, **SHOWING, **EXPLAINING}


def run_script(
    config: QueryConfig,
    text: str,
    query_id: str,
    cancellation: Cancellation,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Payload, None, None]:
    """Runs the statements of a text in order, and yields what happens; the first failure ends it.

    Raises:
        ThanoSQLError: what went wrong; the statements before it have taken effect.
    """
    statements = parse(text, longest=config.longest_text)
    source = Source(text)
    with closing(Services(config)) as services:
        cancellation.when_cancelled(services.close)
        for index, statement in enumerate(statements):
            cancellation.check()
            started = clock()
            yield StatementStarted(query_id, index, statement.KIND, statement.text)
            snapshot = services.catalog.get_snapshot()
            plan = analyze(statement, snapshot, source)
            query = getattr(statement, "query", None)
            at = statement.at if query is None else query.at
            work = Work(config, services, cancellation, source, snapshot, at, clock, runners=STEPS)
            yield from plan.notices
            with closing(work):
                outcome = yield from walk(plan.steps, work)
            yield StatementDone(index, outcome.rows, clock() - started, outcome.message)
