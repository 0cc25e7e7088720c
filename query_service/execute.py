"""Carries out a script: each statement is checked against a fresh snapshot, planned, and its plan walked."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from query_service import plan as p
from query_service.analyze import analyze, find_table
from query_service.arrow import count_rows
from query_service.build import train
from query_service.cancellation import Cancellation
from query_service.clips import play
from query_service.config import QueryConfig
from query_service.dialect import parse
from query_service.event_log import Payload
from query_service.job_statements import show_job, show_jobs, stop_job, take_up_job
from query_service.jobs import make_ready
from query_service.listings import base_model_rows, column_rows, model_rows, property_rows, table_rows
from query_service.predict import transcribe
from query_service.progress import Pacer
from query_service.services import Services
from query_service.source import Source
from query_service.work import Outcome, Steps, Work
from thanosql.errors import DataError, InternalError, NameTaken, NotSupported, PathRefused, TimedOut, Unavailable
from thanosql.types import CopyTableResult, ModelStatistics, Notice, Rows, StatementDone, StatementStarted, Table

SUCCESS = "Success"


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
            work = Work(
                config, services, cancellation, source, snapshot, statement.at if query is None else query.at, clock
            )
            yield from plan.notices
            outcome = Outcome()
            for step in plan.steps:
                if isinstance(step, p.Transcribe | p.WriteRepository) and outcome.version:  # just made ready
                    step = replace(step, version=outcome.version)
                outcome = yield from _STEPS[type(step)](step, work)
            yield StatementDone(index, outcome.rows, clock() - started, outcome.message)


def _fetch_rows(step: p.FetchRows, work: Work) -> Steps:
    count = 0
    for rows in work.services.catalog.query(step.sql):
        count += count_rows(rows)
        yield rows
    return Outcome(count)


def _copy_file(step: p.CopyFile, work: Work) -> Steps:
    pacer = Pacer()
    for event in work.services.catalog.copy_table(step.table.text, step.path.text, step.if_exists):
        if isinstance(event, CopyTableResult):
            return Outcome(event.rows, SUCCESS)
        if pacer.lets_through(event, work.clock()):
            yield event
    raise InternalError("catalog_service ended the COPY without a result", hint="Its log says why.")


def _remove_table(step: p.RemoveTable, work: Work) -> Steps:
    if not work.services.catalog.drop_table(step.table.text, step.if_exists):
        yield Notice(f"There is no table {step.table}: nothing to drop.")
    return Outcome(message=SUCCESS)


def _remove_model(step: p.RemoveModel, work: Work) -> Steps:
    versions = work.services.catalog.delete_model(step.model.text, step.if_exists)
    if not versions:
        yield Notice(f"There is no model {step.model}: nothing to delete.")
    return Outcome(message=SUCCESS)


def _write_repository(step: p.WriteRepository, work: Work) -> Steps:
    try:
        exported = work.services.inference.export_model(step.model.text, step.version, step.path.text)
    except (NameTaken, PathRefused, DataError) as error:
        raise work.source.placed(error, step.path.at) from error
    yield Notice(f"{exported.path}/README.md says how Triton serves it.")
    return Outcome(message=f"{SUCCESS}: {exported.path}, {exported.bytes} bytes")


def _show(rows: Rows) -> Steps:
    yield rows
    return Outcome(count_rows(rows))


def _show_table(step: p.ShowTable, work: Work) -> Steps:
    table = find_table(step.table.text, work.snapshot)
    return (yield from _show(column_rows(table or Table(step.table.text))))


def _show_model(step: p.ShowModel, work: Work) -> Steps:
    model = work.services.catalog.get_model(step.model.text)
    serving: tuple[ModelStatistics, ...] = ()
    try:
        serving = work.services.inference.get_statistics(model.name, model.version)
    except (Unavailable, TimedOut, NotSupported) as error:
        yield Notice(f"How the model is served is not shown: {error.message}")
    return (yield from _show(property_rows(model, serving[0] if serving else None)))


_STEPS: dict[type[Any], Callable[[Any, Work], Steps]] = {
    p.FetchRows: _fetch_rows,
    p.CopyFile: _copy_file,
    p.RemoveTable: _remove_table,
    p.RemoveModel: _remove_model,
    p.ShowTables: lambda _, work: _show(table_rows(work.snapshot.tables)),
    p.ShowModels: lambda _, work: _show(model_rows(work.snapshot.models)),
    p.ShowBaseModels: lambda _, work: _show(base_model_rows(work.services.trainer.list_base_models())),
    p.ShowTable: _show_table,
    p.ShowModel: _show_model,
    p.PlayAudio: play,
    p.MakeReady: make_ready,
    p.WriteRepository: _write_repository,
    p.Transcribe: transcribe,
    p.TrainModel: train,
    p.FitModel: train,
    p.ShowJobs: show_jobs,
    p.ShowJob: show_job,
    p.StopJob: stop_job,
    p.TakeUpJob: take_up_job,
}
