"""The steps that show something, carried out."""

from __future__ import annotations

from typing import Any

from query_service.models.listings import dataset_rows, prebuilt_rows
from query_service.planning import steps as p
from query_service.planning.analyses.names import find_table
from query_service.running.arrow import count_rows
from query_service.running.walk import StepRunner
from query_service.running.work import Outcome, Steps, Work
from query_service.showing.clips import play
from query_service.showing.listings import base_model_rows, column_rows, model_rows, property_rows, table_rows
from thanosql.errors import NotSupported, TimedOut, Unavailable
from thanosql.types import ModelStatistics, Notice, Rows, Table


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
    servers = work.services.count_inference()
    return (yield from _show(property_rows(model, serving[0] if serving else None, servers)))


STEPS: dict[type[Any], StepRunner] = {
    p.ShowTables: lambda _, work: _show(table_rows(work.snapshot.tables)),
    p.ShowModels: lambda _, work: _show(model_rows(work.snapshot.models)),
    p.ShowBaseModels: lambda _, work: _show(base_model_rows(work.services.trainer.list_base_models())),
    p.ShowPrebuiltModels: lambda _, work: _show(
        prebuilt_rows(work.services.trainer.list_base_models(), work.snapshot.models)
    ),
    p.ShowDatasets: lambda _, work: _show(dataset_rows(work.services.trainer.list_datasets())),
    p.ShowTable: _show_table,
    p.ShowModel: _show_model,
    p.PlayAudio: play,
}
