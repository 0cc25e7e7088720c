"""Carries out a script: each statement is checked against a fresh snapshot, planned, and its plan walked."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from query_service.callers.audit import audit_statement
from query_service.callers.grants import check_statements
from query_service.config import QueryConfig
from query_service.explaining.steps import STEPS as EXPLAINING
from query_service.jobs.steps import STEPS as JOBS
from query_service.language.dialect import parse
from query_service.language.naming import place_by_name
from query_service.language.options import Name
from query_service.language.source import Source
from query_service.models.steps import STEPS as MODELS
from query_service.monitoring.watching import watch_reading, watch_statement
from query_service.planning.analyze import analyze
from query_service.running.cancellation import Cancellation
from query_service.running.event_log import Payload
from query_service.running.peers import Peers
from query_service.running.services import Services
from query_service.running.status import Queries
from query_service.running.walk import StepRunner, walk
from query_service.running.work import Work
from query_service.showing.steps import STEPS as SHOWING
from query_service.tables.steps import STEPS as TABLES
from query_service.transcribing.steps import STEPS as TRANSCRIBING
from thanosql.errors import ThanoSQLError
from thanosql.parameters import Parameter
from thanosql.rpc.identity import current_identity
from thanosql.rpc.spans import span
from thanosql.types import StatementDone, StatementStarted

STEPS: dict[type[Any], StepRunner] = {**TABLES, **TRANSCRIBING, **MODELS, **JOBS, **SHOWING, **EXPLAINING}


def run_script(
    config: QueryConfig,
    peers: Peers,
    queries: Queries,
    text: str,
    query_id: str,
    cancellation: Cancellation,
    parameters: Sequence[Parameter] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Payload, None, None]:
    """Runs the statements of a text in order, and yields what happens; the first failure ends it.

    Raises:
        ThanoSQLError: what went wrong; the statements before it have taken effect.
    """
    with watch_reading(queries.figures, clock):
        statements = parse(text, parameters, longest=config.longest_text)
    config = config.of(current_identity().workspace)
    source = Source(text)
    check_statements(current_identity(), source, statements)
    with _served(config, peers) as services:
        cancellation.when_cancelled(services.close)
        for index, statement in enumerate(statements):
            cancellation.check()
            started = clock()
            yield StatementStarted(query_id, index, statement.KIND, statement.text)
            model = getattr(statement, "model", None)
            queries.tell(query_id, model=model.text if isinstance(model, Name) else "")
            watching = watch_statement(
                *(queries.figures, statement.KIND, statement.text, query_id),
                index=index,
                clock=clock,
                is_cancelled=lambda: cancellation.is_set,
            )
            with watching as watched, audit_statement(statement, clock):
                try:
                    with span("plan"):
                        snapshot = services.catalog.get_snapshot()
                        plan = analyze(statement, snapshot, source)
                    query = getattr(statement, "query", None)
                    at = statement.at if query is None else query.at
                    work = Work(
                        config, services, cancellation, source, snapshot, query_id, queries, at, clock, runners=STEPS
                    )
                    yield from plan.notices
                    with closing(work):
                        outcome = yield from walk(plan.steps, work)
                    watched.rows = outcome.rows
                except ThanoSQLError as error:
                    place_by_name(source, statement.at, len(statement.text), error)
                    _count(error, index, len(statements))
                    raise
            yield StatementDone(index, outcome.rows, clock() - started, outcome.message)


@contextmanager
def _served(config: QueryConfig, peers: Peers) -> Iterator[Services]:
    """Services for a script; after a failure calls may be left on the channels, which nobody is to use again."""
    services = Services(config, peers)
    try:
        yield services
        services.release()
    finally:
        services.close()


def _count(error: ThanoSQLError, index: int, statements: int) -> None:
    """Has the error of a text of several statements say which of them it is, and what became of the others."""
    if statements == 1:
        return
    before = {0: "", 1: " The one before it has taken effect."}.get(index, f" The {index} before it have taken effect.")
    after = {0: "", 1: " The one after it was not run."}.get(
        statements - index - 1, f" The {statements - index - 1} after it were not run."
    )
    error.hint = f"{error.hint}\nThis is statement {index + 1} of {statements}.{before}{after}".strip()
