"""The steps over models, carried out."""

from __future__ import annotations

from typing import Any

from query_service.jobs.follow import make_ready
from query_service.models.getting import get_dataset, get_model, upload_model
from query_service.planning import steps as p
from query_service.running.walk import StepRunner
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import DataError, NameTaken, PathRefused
from thanosql.types import Notice


def _remove_model(step: p.RemoveModel, work: Work) -> Steps:
    versions = work.services.catalog.delete_model(step.model.text, step.if_exists)
    if not versions:
        yield Notice(f"There is no model {step.model}: nothing to delete.")
    return Outcome(message=SUCCESS)


def _write_repository(step: p.WriteRepository, work: Work) -> Steps:
    try:
        exported = work.services.inference.export_model(step.model.text, step.version, step.path.text)
    except (NameTaken, PathRefused, DataError) as error:
        raise work.source.placed(error, step.path.at) from error
    yield Notice(f"{exported.path}/README.md says how Triton serves it.")
    return Outcome(message=f"{SUCCESS}: {exported.path}, {exported.bytes} bytes")


STEPS: dict[type[Any], StepRunner] = {
    p.RemoveModel: _remove_model,
    p.WriteRepository: _write_repository,
    p.MakeReady: make_ready,
    p.GetModel: get_model,
    p.UploadModel: upload_model,
    p.GetDataset: get_dataset,
}
