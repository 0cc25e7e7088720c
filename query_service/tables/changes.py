"""Carries out CREATE TABLE, INSERT, UPDATE, DELETE and ALTER TABLE: each is one call of the catalog, all or nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

from query_service.planning import steps as p
from query_service.running.walk import StepRunner
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from query_service.tables.settling import alter_once, find, write_once
from thanosql.types import Notice, Snapshot


def _write_table(step: p.WriteTable, work: Work) -> Steps:
    relations = work.relations_of(step.query)
    columns = [name.text for name in step.columns]
    write = partial(
        work.services.catalog.write_table, step.table.text, step.query.sql, relations, step.if_exists, columns
    )
    rows = yield from write_once(step.table.text, work, write)
    return Outcome(rows, SUCCESS)


def _keep_table(step: p.KeepTable, _: Work) -> Steps:
    yield Notice(f"There is a table {step.table} already: it stays as it is.")
    return Outcome(message=SUCCESS)


def _change_table(step: p.ChangeTable, work: Work) -> Steps:
    change = partial(work.services.catalog.change_table, step.query.sql, work.relations_of(step.query))
    rows = yield from write_once(step.table.text, work, change)
    if step.all_rows:
        yield Notice(f"There is no WHERE: this was said of all {rows} rows of {step.table}.")
    return Outcome(rows, SUCCESS)


def _rename_table(step: p.RenameTable, work: Work) -> Steps:
    old, new = step.table.text, step.new_name.text
    rename = partial(work.services.catalog.rename_table, old, new)
    is_only_case = old.casefold() == new.casefold()
    yield from alter_once(
        f"table {old!r}",
        work,
        rename,
        lambda tables: any(each.name == new for each in tables.tables) and (is_only_case or find(tables, old) is None),
    )
    return Outcome(message=SUCCESS)


def _rename_column(step: p.RenameColumn, work: Work) -> Steps:
    table, new = step.table.text, step.new_name.text
    rename = partial(work.services.catalog.rename_column, table, step.column.text, new)
    yield from alter_once(f"table {table!r}", work, rename, lambda tables: _has_column(tables, table, new))
    return Outcome(message=SUCCESS)


def _has_column(snapshot: Snapshot, table: str, column: str) -> bool:
    found = find(snapshot, table)
    return found is not None and any(each.name == column for each in found.columns)


STEPS: dict[type[Any], StepRunner] = {
    p.WriteTable: _write_table,
    p.KeepTable: _keep_table,
    p.ChangeTable: _change_table,
    p.RenameTable: _rename_table,
    p.RenameColumn: _rename_column,
}
"""By the step."""
