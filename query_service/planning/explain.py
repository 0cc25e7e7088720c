"""A plan as text: what the tests of plans compare, and the beginning of what EXPLAIN prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from query_service.planning.plan import Plan
from query_service.planning.steps import Step, TableQuery


def explain(plan: Plan) -> str:
    """The plan, a line for each step and each thing that the step has been told.

    >>> from query_service.planning.steps import FetchRows
    >>> print(explain(Plan("SELECT", (FetchRows(TableQuery("SELECT 1")),))))
    SELECT
      fetch rows
        sql: SELECT 1
    """
    lines = [plan.kind]
    lines += [f"  notice: {notice.text}" for notice in plan.notices]
    for step in plan.steps:
        lines += _explain_step(step)
    return "\n".join(lines)


def _explain_step(step: Step) -> Iterator[str]:
    yield f"  {step.TITLE}"
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, TableQuery):
            yield f"    sql: {value.sql}"
            value, name = value.relations, "relations"
        else:
            name = field.name
        if isinstance(value, tuple):
            value = ", ".join(map(str, value)) or None
        if value is not None and name != "statement":
            yield f"    {name}: {value}"
