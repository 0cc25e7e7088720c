"""Analyses of the statements about models."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.options import Name
from query_service.language.source import NO_PLACE, Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_column, check_name, find_model
from query_service.planning.columns import check_query
from query_service.planning.prebuilt import base_of, model_name_of
from thanosql.errors import InvalidOption, NameTaken, UnknownModel
from thanosql.types import IfExists, ModelState, Snapshot


def _build_model(statement: s.BuildModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    return (_train(p.TrainModel, statement, snapshot, source),)


def _fit_model(statement: s.FitModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    try:
        base = find_model(statement.base, snapshot, source)
    except UnknownModel as error:
        error.hint += " BUILD MODEL begins with a base model, FIT MODEL goes on with a model."
        raise
    train = _train(p.FitModel, statement, snapshot, source)
    return (p.MakeReady(statement.base, base.class_name), train) if base.state is ModelState.PENDING else (train,)


def _get_model(statement: s.GetModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = statement.model_name or Name(model_name_of(statement.name.text), statement.name.at)
    there = next((each for each in snapshot.models if each.name == model.text), None)
    pending = there is not None and there.state is ModelState.PENDING
    if there is not None and pending and there.class_name.lower() == base_of(statement.name.text).lower():
        return (p.MakeReady(model, there.class_name),)  # it is that one, and was not needed yet
    _check_new(model, statement.if_exists, snapshot, source)
    return (p.GetModel(statement.name, model, statement.text),)


def _upload_model(statement: s.UploadModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    _check_new(statement.model, statement.if_exists, snapshot, source)
    return (p.UploadModel(statement.model, statement.path, statement.text),)


def _get_dataset(statement: s.GetDataset, _: Snapshot, __: Source) -> tuple[p.Step, ...]:
    return (p.GetDataset(statement.name, statement.if_exists is IfExists.REPLACE),)


def _check_new(model: Name, if_exists: IfExists, snapshot: Snapshot, source: Source, *, goes_on: bool = False) -> None:
    """Whether a model of this name may be made; `goes_on`: as a version of itself."""
    check_name(model, "model", source)
    if if_exists is IfExists.APPEND:
        hint = "if_exists='replace' makes a new version of the model; 'fail' refuses where it exists."
        raise source.error(InvalidOption, "a model cannot be appended to", model.at, hint)
    if not goes_on and if_exists is IfExists.FAIL and model.text in {each.name for each in snapshot.models}:
        hint = "OPTIONS (overwrite=True) makes a new version of it; or choose another name."
        raise source.error(NameTaken, f"there is a model {model} already", model.at, hint)


def _export_model(statement: s.ExportModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = find_model(statement.model, snapshot, source)
    pending = model.state is ModelState.PENDING
    write = p.WriteRepository(statement.model, 0 if pending else model.version, statement.path)
    return (p.MakeReady(statement.model, model.class_name), write) if pending else (write,)


def _delete_model(statement: s.DeleteModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    if not statement.if_exists:
        find_model(statement.model, snapshot, source)
    return (p.RemoveModel(statement.model, statement.if_exists),)


def _train(kind: type[p.TrainModel], statement: s.BuildModel, snapshot: Snapshot, source: Source) -> p.TrainModel:
    # A model that goes on from itself gets a new version: that is what FIT means, and no option has to say so.
    goes_on = kind is p.FitModel and statement.model == statement.base
    _check_new(statement.model, statement.if_exists, snapshot, source, goes_on=goes_on)
    query = check_query(source, statement.query, snapshot)
    check_column(source, query, statement.audio_col, "audio_col", statement.query.at)
    check_column(source, query, statement.text_col, "text_col", statement.query.at)
    if statement.audio_col.text.lower() == statement.text_col.text.lower():
        message = f"audio_col and text_col name the same column {statement.text_col}"
        at = statement.query.at if statement.text_col.at == NO_PLACE else statement.text_col.at
        raise source.error(InvalidOption, message, at, "One holds paths of recordings, the other what they say.")
    return kind(
        query=query.query,
        model=statement.model,
        base=statement.base,
        audio=statement.audio_col,
        text=statement.text_col,
        epochs=statement.epochs,
        batch_size=statement.batch_size,
        learning_rate=statement.learning_rate,
        eval_fraction=statement.eval_fraction,
        seed=statement.seed,
        early_stopping=statement.early_stopping,
        lora=statement.lora,
        augmentation=statement.augmentation,
        language_model=statement.language_model,
        devices=statement.devices,
        statement=statement.text,
    )


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.BuildModel: _build_model,
    s.FitModel: _fit_model,
    s.GetModel: _get_model,
    s.UploadModel: _upload_model,
    s.GetDataset: _get_dataset,
    s.ExportModel: _export_model,
    s.DeleteModel: _delete_model,
}
