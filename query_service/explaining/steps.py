"""Explains the steps of a plan, one after the other; the step that explains is carried out here."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import Any

import pyarrow as pa

from query_service.explaining.effects import explain_copying, explain_removing, explain_removing_model
from query_service.explaining.figures import duration, number
from query_service.explaining.playing import explain_playing
from query_service.explaining.training import explain_making_ready, explain_training
from query_service.explaining.transcription import explain_transcription
from query_service.explaining.tree import INDENT, Branch, draw
from query_service.explaining.view import Explainer, Explaining, View
from query_service.jobs.steps import STEPS as JOBS
from query_service.language.options import Name
from query_service.planning import steps as p
from query_service.running.arrow import make_rows, read_rows
from query_service.running.spool import RowSpool
from query_service.running.walk import StepRunner
from query_service.running.work import Outcome, Steps, Work
from query_service.showing.steps import STEPS as SHOWING
from thanosql.types import Progress, Rows

_UNTOLD = ("statement", "at")
"""Fields of steps that say what the user has before them."""

_SHOWN: dict[type[Any], StepRunner] = {
    kind: run for kind, run in {**SHOWING, **JOBS}.items() if kind.__name__.startswith("Show")
}
"""Steps that only show what there is: their rows are known before the statement runs."""


def explain_fetching(step: p.FetchRows, view: View) -> Explaining:
    """The query."""
    yield from ()
    return Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query))


def explain_keeping(step: p.KeepRows, view: View) -> Explaining:
    """The steps that leave rows for later ones, which show them where they read them."""
    inner = replace(view, work=replace(view.work, query_at=step.at))
    branches = yield from explain_all(step.steps, inner)
    last = step.steps[-1]
    if type(last) in _SHOWN:
        spool = view.spools.enter_context(RowSpool())
        for event in _SHOWN[type(last)](last, view.work):
            if isinstance(event, Rows):
                for batch in read_rows(event):
                    spool.append(batch)
        view.work.relations[step.relation] = spool
    elif isinstance(last, p.Transcribe) and view.is_known(last.query):
        view.work.relations[step.relation] = _read_unheard(last, view)
        view.unheard[step.relation] = tuple(name.text for name in _heard(last))
    else:
        view.unknown.add(step.relation)
    title = f"{step.relation}: rows that are kept for the query above"
    view.branches[step.relation] = (Branch(title, below=branches),)
    return Branch("")


def _heard(step: p.Transcribe) -> dict[Name, pa.DataType]:
    """The columns that a step adds to the rows."""
    added = (
        (step.result, pa.string()),
        (step.confidence, pa.float64()),
        (step.words, pa.string()),
        (step.error, pa.string()),
    )
    return {name: kind for name, kind in added if name is not None}


def _read_unheard(step: p.Transcribe, view: View) -> RowSpool:
    """The rows that a step will give, with NULL for what is heard."""
    spool = view.spools.enter_context(RowSpool())
    for batch in view.read(step.query):
        columns, schema = list(batch.columns), batch.schema
        for name, kind in _heard(step).items():
            columns.append(pa.array([None] * batch.num_rows, kind))
            schema = schema.append(pa.field(name.text, kind))
        spool.append(pa.RecordBatch.from_arrays(columns, schema=schema))
    return spool


def explain_streaming(step: p.StreamRows, view: View) -> Explaining:
    """The steps whose rows are handed on, and what is asked of those."""
    inner = replace(view, work=replace(view.work, query_at=step.at))
    branches = yield from explain_all(step.steps, inner)
    title = "hand rows on as they come" if step.query is None else f"hand rows on as they come: {step.query.sql}"
    lines: tuple[str, ...] = ()
    if step.limit is not None:
        rows = number(step.limit + (step.offset or 0), "row")
        lines = (f"stops when {rows} are there, which may be long before all are transcribed",)
    return Branch(title, lines, branches)


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
    p.KeepRows: explain_keeping,
    p.StreamRows: explain_streaming,
    p.FetchRows: explain_fetching,
    p.CopyFile: explain_copying,
    p.RemoveTable: explain_removing,
    p.RemoveModel: explain_removing_model,
    p.PlayAudio: explain_playing,
    p.Transcribe: explain_transcription,
    p.Evaluate: explain_transcription,
    p.MakeReady: explain_making_ready,
    p.TrainModel: explain_training,
    p.FitModel: explain_training,
}
"""By the step; of others it is told what they have been told."""


def explain_all(steps: Sequence[p.Step], view: View) -> Generator[Progress, None, tuple[Branch, ...]]:
    """What the steps of a plan would do, in their order."""
    branches: list[Branch] = []
    for step in steps:
        branch = yield from EXPLAINERS.get(type(step), explain_other)(step, view)
        if branch.title:
            branches.append(branch)
    return tuple(branches)


def explain_plan(step: p.ExplainPlan, work: Work) -> Steps:
    """A row for each line of the tree."""
    with ExitStack() as spools:
        view = View(replace(work, query_at=step.at), spools)
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
