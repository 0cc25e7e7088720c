"""EXPLAIN of statements inside a statement: what they do, and their rows where nothing need be heard for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from query_service.explaining.figures import number
from query_service.explaining.tree import Branch
from query_service.explaining.view import Explaining, ExplainSteps, View
from query_service.language.options import Name
from query_service.planning import steps as p
from query_service.running.spool import RowSpool
from query_service.tables.relations import keep_rows

_SHOWING: tuple[type[Any], ...] = (
    *(p.ShowTables, p.ShowModels, p.ShowBaseModels, p.ShowPrebuiltModels, p.ShowDatasets, p.ShowJobs),
    *(p.ShowTable, p.ShowModel, p.ShowJob),
)
"""Steps that only show what there is: their rows are had at once."""


def explain_keeping(step: p.KeepRows, view: View, explain: ExplainSteps) -> Explaining:
    """The steps that leave rows for later ones, in front of which they are shown."""
    below = yield from explain(step.steps, replace(view, work=replace(view.work, query_at=step.at)))
    last = step.steps[-1]
    if isinstance(last, _SHOWING):
        for _ in keep_rows(step, view.work):
            pass
    elif isinstance(last, p.Transcribe) and view.is_known(last.query):
        view.work.relations[step.relation] = _read_unheard(last, view)
        view.unheard[step.relation] = tuple(name.text for name in _heard(last))
    else:
        view.unknown.add(step.relation)
    view.branches[step.relation] = (Branch(f"{step.relation}: rows that are kept for the query above", below=below),)
    return None


def explain_streaming(step: p.StreamRows, view: View, explain: ExplainSteps) -> Explaining:
    """The steps whose rows are handed on, and what is asked of those."""
    below = yield from explain(step.steps, replace(view, work=replace(view.work, query_at=step.at)))
    title = "hand rows on as they come" if step.query is None else f"hand rows on as they come: {step.query.sql}"
    lines: tuple[str, ...] = ()
    if step.limit is not None:
        rows = number(step.limit + step.offset, "row")
        lines = (f"stops when {rows} are there, which may be long before all are transcribed",)
    return Branch(title, lines, below)


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
    spool = RowSpool()
    for batch in view.read(step.query):
        columns, schema = list(batch.columns), batch.schema
        for name, kind in _heard(step).items():
            columns.append(pa.array([None] * batch.num_rows, kind))
            schema = schema.append(pa.field(name.text, kind))
        spool.append(pa.RecordBatch.from_arrays(columns, schema=schema))
    return spool
