"""A plan as text: what the tests of plans compare, and what EXPLAIN will print."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from query_service import plan as p
from query_service.plan import Plan, Step

_TITLES: dict[type[Any], str] = {
    p.FetchRows: "fetch rows",
    p.CopyFile: "copy file",
    p.RemoveTable: "remove table",
    p.RemoveModel: "remove model",
    p.ShowTables: "show tables",
    p.ShowModels: "show models",
    p.ShowBaseModels: "show base models",
    p.ShowTable: "show table",
    p.ShowModel: "show model",
    p.PlayAudio: "play audio",
    p.MakeReady: "make model ready",
    p.WriteRepository: "write repository",
    p.Transcribe: "transcribe",
    p.TrainModel: "train model",
    p.FitModel: "go on training model",
    p.ShowJobs: "show jobs",
    p.ShowJob: "show job",
    p.StopJob: "stop job",
    p.TakeUpJob: "take up job",
}


def explain(plan: Plan) -> str:
    """The plan, a line for each step and each thing that the step has been told.

    >>> print(explain(Plan("SELECT", (p.FetchRows("SELECT 1"),))))
    SELECT
      fetch rows
        sql: SELECT 1
    """
    lines = [plan.kind]
    lines += [f"  notice: {notice.text}" for notice in plan.notices]
    for step in plan.steps:
        lines += _explain_step(step)
    return "\n".join(lines)


def _explain_step(step: Step) -> list[str]:
    lines = [f"  {_TITLES[type(step)]}"]
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, tuple):
            value = ", ".join(map(str, value)) or None
        if value is not None and field.name != "statement":
            lines.append(f"    {field.name}: {value}")
    return lines
