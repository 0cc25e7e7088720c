"""GET THANOSQL MODEL, UPLOAD MODEL and GET THANOSQL DATASET, as steps of a plan."""

from __future__ import annotations

from collections.abc import Generator

from query_service.jobs.follow import follow_job, shorten
from query_service.jobs.submitting import submit_once
from query_service.language.options import Name
from query_service.language.source import suggest
from query_service.planning.prebuilt import NAMED_HERE, base_of
from query_service.planning.steps import GetDataset, GetModel, UploadModel
from query_service.running.progress import Pacer
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import (
    BaseModelUnavailable,
    DataError,
    InternalError,
    NameTaken,
    NotFound,
    NotSupported,
    PathRefused,
    Unavailable,
    UnknownBaseModel,
    UnknownModel,
)
from thanosql.types import BaseModel, BaseModelSource, GetDatasetResult, JobKind, JobSpec, Notice, Progress, Severity
from thanosql.workspace import resolve


def get_model(step: GetModel, work: Work) -> Steps:
    """Makes a model of a pre-built one.

    Raises:
        UnknownModel, NotSupported: see `find_prebuilt`.
    """
    base, resolved = find_prebuilt(step, work)
    return (yield from _export(step.model, base, resolved, step.statement, work))


def find_prebuilt(step: GetModel, work: Work) -> tuple[str, BaseModel]:
    """The name that the trainer is given, and what that stands for.

    Raises:
        UnknownModel: there is none of that name.
        NotSupported: it is a folder, which UPLOAD MODEL takes.
    """
    base = base_of(_find_prebuilt(step.name, work))
    resolved = _resolve(base, step.name, work)
    if resolved.source is BaseModelSource.FOLDER:
        hint = f"UPLOAD MODEL {step.model} FROM '{base}' makes a model of it."
        raise work.source.error(NotSupported, f"{base!r} is a folder of the workspace", step.name.at, hint)
    return base, resolved


def upload_model(step: UploadModel, work: Work) -> Steps:
    """Makes a model of a checkpoint in a folder.

    Raises:
        NotFound, PathRefused, UnknownBaseModel: see `find_checkpoint`.
    """
    base, resolved = find_checkpoint(step, work)
    return (yield from _export(step.model, base, resolved, step.statement, work))


def find_checkpoint(step: UploadModel, work: Work) -> tuple[str, BaseModel]:
    """The path that the trainer is given, and what that stands for.

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
    return base, _resolve(base, step.path, work)


def get_dataset(step: GetDataset, work: Work) -> Steps:
    """Puts a data set into the workspace."""
    pacer = Pacer()
    try:
        for event in work.services.trainer.get_dataset(step.name.text, overwrite=step.replaces):
            if isinstance(event, GetDatasetResult):
                return Outcome(message=f"{SUCCESS}: {event.path}, {event.files} files, {event.bytes} bytes")
            if pacer.lets_through(event, work.clock()):
                yield event
    except (NotFound, NameTaken, PathRefused, DataError, Unavailable) as error:
        raise work.source.placed(error, step.name.at) from error
    raise InternalError("trainer_service ended GET without a result", hint="Its log says why.")


def _find_prebuilt(name: Name, work: Work) -> str:
    """A pre-built model's name as it is written in lists; that of a repository as it stands."""
    if "/" in name.text:
        return name.text
    names = [base.name for base in work.services.trainer.list_base_models()] + list(NAMED_HERE)
    found = next((each for each in names if each.lower() == name.text.lower()), None)
    if found is None:
        hint = suggest(name.text, names, "pre-built models")
        hint += " Others, in quotes, by the id of a Hugging Face repository; a folder of the workspace: UPLOAD MODEL."
        raise work.source.error(UnknownModel, f"there is no pre-built model {name}", name.at, hint)
    return found


def _resolve(base: str, written: Name, work: Work) -> BaseModel:
    """What a base model's name stands for; errors show what the user has written for it."""
    try:
        return work.services.trainer.resolve_base_model(base)
    except (UnknownBaseModel, BaseModelUnavailable, PathRefused) as error:
        raise work.source.placed(error, written.at) from error


def _export(
    model: Name, base: str, resolved: BaseModel, statement: str, work: Work
) -> Generator[Progress | Notice, None, Outcome]:
    """Has the trainer make a model of a base model as it is, and follows it."""
    if resolved.fallback_notice:
        yield Notice(resolved.fallback_notice, Severity.WARNING)
    spec = JobSpec(JobKind.EXPORT, model=model.text, base=base, new_version=True, statement=statement)
    job = yield from submit_once(spec, (), work)
    yield Notice(f"This is job {shorten(job.id)}: CANCEL JOB {shorten(job.id)} stops it.")
    result = yield from follow_job(job.id, work)
    return Outcome(message=f"{SUCCESS}: model {model}, version {result.version}", version=result.version)
