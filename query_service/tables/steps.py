"""The steps over tables, carried out."""

from __future__ import annotations

from typing import Any

from query_service.planning import steps as p
from query_service.running.arrow import count_rows
from query_service.running.progress import Pacer
from query_service.running.walk import StepRunner
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import InternalError
from thanosql.types import CopyTableResult, Notice


def _fetch_rows(step: p.FetchRows, work: Work) -> Steps:
    count = 0
    for rows in work.query(step.query):
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


STEPS: dict[type[Any], StepRunner] = {
    p.FetchRows: _fetch_rows,
    p.CopyFile: _copy_file,
    p.RemoveTable: _remove_table,
}
