"""Carries out CREATE TABLE, INSERT, UPDATE, DELETE and ALTER TABLE: each is one call of the catalog, all or nothing."""

from __future__ import annotations

from typing import Any

from query_service.planning import steps as p
from query_service.running.walk import StepRunner
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.types import Notice


def _write_table(step: p.WriteTable, work: Work) -> Steps:
    yield from ()
    relations = work.relations_of(step.query)
    columns = [name.text for name in step.columns]
    rows = work.services.catalog.write_table(step.table.text, step.query.sql, relations, step.if_exists, columns)
    return Outcome(rows, SUCCESS)


def _keep_table(step: p.KeepTable, _: Work) -> Steps:
    yield Notice(f"There is a table {step.table} already: it stays as it is.")
    return Outcome(message=SUCCESS)


def _change_table(step: p.ChangeTable, work: Work) -> Steps:
    rows = work.services.catalog.change_table(step.query.sql, work.relations_of(step.query))
    if step.all_rows:
        yield Notice(f"There is no WHERE: this was said of all {rows} rows of {step.table}.")
    return Outcome(rows, SUCCESS)


def _rename_table(step: p.RenameTable, work: Work) -> Steps:
    yield from ()
    work.services.catalog.rename_table(step.table.text, step.new_name.text)
    return Outcome(message=SUCCESS)


def _rename_column(step: p.RenameColumn, work: Work) -> Steps:
    yield from ()
    work.services.catalog.rename_column(step.table.text, step.column.text, step.new_name.text)
    return Outcome(message=SUCCESS)


STEPS: dict[type[Any], StepRunner] = {
    p.WriteTable: _write_table,
    p.KeepTable: _keep_table,
    p.ChangeTable: _change_table,
    p.RenameTable: _rename_table,
    p.RenameColumn: _rename_column,
}
"""By the step."""
