"""GET THANOSQL MODEL, UPLOAD MODEL and GET THANOSQL DATASET, as steps of a plan."""

from __future__ import annotations

from collections.abc import Generator

from query_service.jobs.follow import follow_job, shorten
from query_service.language.options import Name
from query_service.language.source import suggest
from query_service.planning.prebuilt import NAMED_HERE, base_of
from query_service.planning.steps import GetDataset, GetModel, UploadModel
from query_service.running.progress import Pacer
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import (
    DataError,
    InternalError,
    NameTaken,
    NotFound,
    NotSupported,
    PathRefused,
    UnknownBaseModel,
    UnknownModel,
)
from thanosql.types import BaseModelSource, GetDatasetResult, JobKind, JobSpec, Notice, Progress, Severity
from thanosql.workspace import resolve


def get_model(step: GetModel, work: Work) -> Steps:
    """Makes a model of a pre-built one.

    Raises:
        UnknownModel: there is none of that name.
    """
    _check_prebuilt(step.name, work)
    base = base_of(step.name.text)
    return (yield from _export(step.model, base, step.name, step.statement, work))


def upload_model(step: UploadModel, work: Work) -> Steps:
    """Makes a model of a checkpoint in a folder.

    Raises:
        NotFound, PathRefused: there is no such folder in the workspace.
        UnknownBaseModel: it holds no checkpoint.
    """
    try:
        folder = resolve(work.workspace, step.path.text)
    except PathRefused as error:
        raise work.source.placed(error, step.path.at) from error
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        hint = "Give the folder that holds config.json and model.safetensors, relative to the workspace root."
        raise work.source.error(NotFound, f"the folder {step.path.text!r} {what}", step.path.at, hint)
    # A path that begins with a dot is never taken for a name, or for a repository of the hub.
    base = f"./{folder.relative_to(work.workspace.resolve()).as_posix()}"
    return (yield from _export(step.model, base, step.path, step.statement, work))


def get_dataset(step: GetDataset, work: Work) -> Steps:
    """Puts a data set into the workspace."""
    pacer = Pacer()
    try:
        for event in work.services.trainer.get_dataset(step.name.text, overwrite=step.replaces):
            if isinstance(event, GetDatasetResult):
                return Outcome(message=f"{SUCCESS}: {event.path}, {event.files} files, {event.bytes} bytes")
            if pacer.lets_through(event, work.clock()):
                yield event
    except (NotFound, NameTaken, PathRefused, DataError) as error:
        raise work.source.placed(error, step.name.at) from error
    raise InternalError("trainer_service ended GET without a result", hint="Its log says why.")


def _check_prebuilt(name: Name, work: Work) -> None:
    if "/" in name.text:  # a repository of the hub
        return
    names = [base.name for base in work.services.trainer.list_base_models()] + list(NAMED_HERE)
    if name.text.lower() not in {each.lower() for each in names}:
        hint = suggest(name.text, names, "pre-built models")
        hint += " Others, in quotes, by the id of a Hugging Face repository; a folder of the workspace: UPLOAD MODEL."
        raise work.source.error(UnknownModel, f"there is no pre-built model {name}", name.at, hint)


def _export(
    model: Name, base: str, written: Name, statement: str, work: Work
) -> Generator[Progress | Notice, None, Outcome]:
    """Has the trainer make a model of a base model as it is, and follows it.

    Raises:
        UnknownBaseModel, PathRefused: it is none that can be used.
        NotSupported: a folder, which UPLOAD MODEL takes.
    """
    try:
        resolved = work.services.trainer.resolve_base_model(base)
    except (UnknownBaseModel, PathRefused) as error:
        raise work.source.placed(error, written.at) from error
    if resolved.source is BaseModelSource.FOLDER and not base.startswith("./"):
        hint = f"UPLOAD MODEL {model} FROM '{base}' makes a model of it."
        raise work.source.error(NotSupported, f"{base!r} is a folder of the workspace", written.at, hint)
    if resolved.fallback_notice:
        yield Notice(resolved.fallback_notice, Severity.WARNING)
    spec = JobSpec(JobKind.EXPORT, model=model.text, base=base, new_version=True, statement=statement)
    job = work.services.trainer.submit_job(spec, rows=())
    yield Notice(f"This is job {shorten(job.id)}: CANCEL JOB {shorten(job.id)} stops it.")
    result = yield from follow_job(job.id, work)
    return Outcome(message=f"{SUCCESS}: model {model}, version {result.version}", version=result.version)
