"""A plan as text: what the tests of plans compare, and the beginning of what EXPLAIN prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from query_service.planning.plan import Plan
from query_service.planning.steps import Step, TableQuery

_UNTOLD = ("statement", "at")
"""Fields of steps that say what the user has before them."""


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
        lines += _explain_step(step, "  ")
    return "\n".join(lines)


def _explain_step(step: Step, indent: str) -> Iterator[str]:
    yield f"{indent}{step.TITLE}"
    for field in fields(step):
        value = getattr(step, field.name)
        if field.name in _UNTOLD:
            continue
        if field.name == "steps":
            for inner in value:
                yield from _explain_step(inner, f"{indent}  ")
            continue
        if isinstance(value, Plan):
            yield from (f"{indent}  {line}" for line in explain(value).splitlines())
            continue
        if isinstance(value, TableQuery):
            yield f"{indent}  sql: {value.sql}"
            value, name = value.relations, "relations"
        else:
            name = field.name
        if isinstance(value, tuple):
            value = ", ".join(map(str, value)) or None
        if value is not None:
            yield f"{indent}  {name}: {value}"
