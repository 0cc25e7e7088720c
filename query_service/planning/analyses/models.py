"""Analyses of the statements about models."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.source import NO_PLACE, Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_column, check_name, find_model
from query_service.planning.columns import check_query
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
    check_name(statement.model, "model", source)
    # A model that goes on from itself gets a new version: that is what FIT means, and no option has to say so.
    goes_on = kind is p.FitModel and statement.model == statement.base
    exists = not goes_on and statement.model.text in {model.name for model in snapshot.models}
    if statement.if_exists is IfExists.APPEND:
        hint = "if_exists='replace' makes a new version of the model; 'fail' refuses where it exists."
        raise source.error(InvalidOption, "a model cannot be appended to", statement.model.at, hint)
    if exists and statement.if_exists is IfExists.FAIL:
        hint = "OPTIONS (overwrite=True) makes a new version of it; or choose another name."
        raise source.error(NameTaken, f"there is a model {statement.model} already", statement.model.at, hint)
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
    s.ExportModel: _export_model,
    s.DeleteModel: _delete_model,
}
