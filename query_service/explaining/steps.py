"""Explains the steps of a plan, one after the other; the step that explains is carried out here."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import pyarrow as pa

from query_service.explaining.effects import (
    explain_changing,
    explain_copying,
    explain_keeping_table,
    explain_removing,
    explain_removing_model,
    explain_renaming,
    explain_writing,
)
from query_service.explaining.figures import duration
from query_service.explaining.playing import explain_playing
from query_service.explaining.relations import explain_keeping, explain_streaming
from query_service.explaining.training import explain_getting, explain_making_ready, explain_training
from query_service.explaining.transcription import explain_transcription
from query_service.explaining.tree import INDENT, Branch, draw
from query_service.explaining.view import Explainer, Explaining, View
from query_service.planning import steps as p
from query_service.running.arrow import make_rows
from query_service.running.walk import StepRunner
from query_service.running.work import Outcome, Steps, Work
from thanosql.types import Progress

_UNTOLD = ("statement", "at")
"""Fields of steps that say what the user has before them."""


def explain_fetching(step: p.FetchRows, view: View) -> Explaining:
    """The query."""
    yield from ()
    return Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query))


def explain_other(step: Any, view: View) -> Explaining:
    """What a step has been told."""
    yield from ()
    lines = []
    below: tuple[Branch, ...] = ()
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, p.TableQuery):
            lines.append(f"sql: {value.sql}")
            below += view.below(value)
        elif value is not None and field.name not in _UNTOLD:
            lines.append(f"{field.name}: {value}")
    return Branch(step.TITLE, tuple(lines), below)


EXPLAINERS: dict[type[Any], Explainer] = {
    p.KeepRows: lambda step, view: explain_keeping(step, view, explain_all),
    p.StreamRows: lambda step, view: explain_streaming(step, view, explain_all),
    p.FetchRows: explain_fetching,
    p.CopyFile: explain_copying,
    p.WriteTable: explain_writing,
    p.KeepTable: explain_keeping_table,
    p.ChangeTable: explain_changing,
    p.RenameTable: explain_renaming,
    p.RenameColumn: explain_renaming,
    p.RemoveTable: explain_removing,
    p.RemoveModel: explain_removing_model,
    p.PlayAudio: explain_playing,
    p.Transcribe: explain_transcription,
    p.Evaluate: explain_transcription,
    p.MakeReady: explain_making_ready,
    p.GetModel: explain_getting,
    p.UploadModel: explain_getting,
    p.TrainModel: explain_training,
    p.FitModel: explain_training,
}
"""By the step; of others it is told what they have been told."""


def explain_all(steps: Sequence[p.Step], view: View) -> Generator[Progress, None, tuple[Branch, ...]]:
    """What the steps of a plan would do, in their order."""
    branches: list[Branch] = []
    for step in steps:
        branch = yield from EXPLAINERS.get(type(step), explain_other)(step, view)
        if branch is not None:
            branches.append(branch)
    return tuple(branches)


def explain_plan(step: p.ExplainPlan, work: Work) -> Steps:
    """A row for each line of the tree."""
    view = View(replace(work, query_at=step.at))
    branches = yield from explain_all(step.plan.steps, view)
    lines = [step.plan.kind, *draw(branches), *_tell_times(view.times)]
    yield make_rows({"plan": pa.string()}, [(line,) for line in lines])
    return Outcome(len(lines))


def _tell_times(times: Sequence[float | None]) -> Iterator[str]:
    known = [each for each in times if each is not None]
    if len(times) > 1 and known:
        more = ", and what is not known" if len(known) < len(times) else ""
        yield f"{INDENT}expected time in all: about {duration(sum(known))}{more}"


STEPS: dict[type[Any], StepRunner] = {
    p.ExplainPlan: explain_plan,
}
