"""From a statement to its plan: names, columns and options are checked against one snapshot before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from query_service import plan as p
from query_service import statements as s
from query_service.columns import CheckedQuery, check_query
from query_service.options import Effect, Name
from query_service.plan import Plan
from query_service.result_columns import audio_index, find_column, missing_column, taken_column
from query_service.source import NO_PLACE, Source, suggest
from thanosql.errors import InvalidOption, NameTaken, StatementError, UnknownModel, UnknownTable
from thanosql.types import IfExists, Model, ModelState, Notice, Snapshot, Table

HOTWORD_WEIGHT = 1.0
"""Where the statement names none: `thanosql.hotwords.WEIGHT`, which says why."""

LONGEST_NAME = 63
"""Characters of a table's or model's name: PostgreSQL's limit."""


def analyze(statement: s.Statement, snapshot: Snapshot, source: Source) -> Plan:
    """The plan of a statement.

    Raises:
        StatementError: a name that is not there, a column that the query has not, a value that makes no sense.
        NameTaken: a table or model of that name exists, and the statement does not say that it may be replaced.
    """
    steps = _ANALYSES[type(statement)](statement, snapshot, source)
    return Plan(statement.KIND, steps, _weak_options(statement))


def find_table(name: str, snapshot: Snapshot) -> Table | None:
    """The table of that name; DuckDB's names are the same in any case."""
    fold = str.lower if snapshot.sql_dialect == "duckdb" else str
    return next((table for table in snapshot.tables if fold(table.name) == fold(name)), None)


def _weak_options(statement: s.Statement) -> tuple[Notice, ...]:
    notices = []
    for effect, says in ((Effect.NONE, "no effect"), (Effect.PARTIAL, "a limited effect")):
        options = [option for option in statement.weak if option.effect is effect and option.remark]
        for remark in dict.fromkeys(option.remark for option in options):
            names = " and ".join(option.name for option in options if option.remark == remark)
            verb = "have" if " and " in names else "has"
            notices.append(Notice(f"{names} {verb} {says} on {statement.KIND}. {remark}"))
    return tuple(notices)


def _select(statement: s.Select, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    return (p.FetchRows(check_query(source, statement.query, snapshot).sql),)


def _copy(statement: s.Copy, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    _check_name(statement.table, "table", source)
    if statement.if_exists is IfExists.FAIL and find_table(statement.table.text, snapshot) is not None:
        hint = "OPTIONS (overwrite=True) replaces it, OPTIONS (if_exists='append') adds to it."
        raise source.error(NameTaken, f"there is a table {statement.table} already", statement.table.at, hint)
    return (p.CopyFile(statement.table, statement.path, statement.if_exists),)


def _drop_table(statement: s.DropTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    if not statement.if_exists:
        _check_table(statement.table, snapshot, source)
    return (p.RemoveTable(statement.table, statement.if_exists),)


def _describe_table(statement: s.DescribeTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    _check_table(statement.table, snapshot, source)
    return (p.ShowTable(statement.table),)


def _describe_model(statement: s.DescribeModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    _find_model(statement.model, snapshot, source)
    return (p.ShowModel(statement.model),)


def _delete_model(statement: s.DeleteModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    if not statement.if_exists:
        _find_model(statement.model, snapshot, source)
    return (p.RemoveModel(statement.model, statement.if_exists),)


def _print_audio(statement: s.PrintAudio, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    query = check_query(source, statement.query, snapshot)
    if query.columns and audio_index(query.columns, statement.audio_col) is None:
        raise missing_column(source, query.columns, statement.audio_col, "audio_col", statement.query.at)
    return (p.PlayAudio(query.sql, statement.audio_col),)


def _predict(statement: s.Predict, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = _find_model(statement.model, snapshot, source)
    query = check_query(source, statement.query, snapshot)
    _check_column(source, query, statement.audio_col, "audio_col", statement.query.at)
    if statement.text_col is not None:
        _check_column(source, query, statement.text_col, "text_col", statement.query.at)
    added = [
        (name, option)
        for name, option in (
            (statement.result_col, "result_col"),
            (statement.confidence_col, "confidence_col"),
            (statement.words_col, "words_col"),
            (statement.error_col, "error_col"),
        )
        if name is not None
    ]
    seen: dict[str, str] = {}
    for name, option in added:
        if query.columns is not None and find_column(query.columns, name.text) is not None:
            raise taken_column(source, name, option, statement.query.at)
        if name.text.lower() in seen:
            message = f"{option} and {seen[name.text.lower()]} name the same column {name}"
            raise source.error(InvalidOption, message, name.at, "Each new column needs a name of its own.")
        seen[name.text.lower()] = option
    pending = model.state is ModelState.PENDING
    transcribe = p.Transcribe(
        sql=query.sql,
        model=statement.model,
        version=0 if pending else model.version,
        audio=statement.audio_col,
        reference=statement.text_col,
        result=statement.result_col,
        confidence=statement.confidence_col,
        words=statement.words_col,
        error=statement.error_col,
        on_error=statement.on_error,
        cache=statement.cache,
        batch_size=statement.batch_size,
        hotwords=statement.hotwords,
        hotword_weight=(statement.hotword_weight or HOTWORD_WEIGHT) if statement.hotwords else None,
    )
    return (p.MakeReady(statement.model, model.class_name), transcribe) if pending else (transcribe,)


def _export_model(statement: s.ExportModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = _find_model(statement.model, snapshot, source)
    pending = model.state is ModelState.PENDING
    write = p.WriteRepository(statement.model, 0 if pending else model.version, statement.path)
    return (p.MakeReady(statement.model, model.class_name), write) if pending else (write,)


def _build_model(statement: s.BuildModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    return (_train(p.TrainModel, statement, snapshot, source),)


def _fit_model(statement: s.FitModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    try:
        base = _find_model(statement.base, snapshot, source)
    except UnknownModel as error:
        error.hint += " BUILD MODEL begins with a base model, FIT MODEL goes on with a model."
        raise
    train = _train(p.FitModel, statement, snapshot, source)
    return (p.MakeReady(statement.base, base.class_name), train) if base.state is ModelState.PENDING else (train,)


def _train(kind: type[p.TrainModel], statement: s.BuildModel, snapshot: Snapshot, source: Source) -> p.TrainModel:
    _check_name(statement.model, "model", source)
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
    _check_column(source, query, statement.audio_col, "audio_col", statement.query.at)
    _check_column(source, query, statement.text_col, "text_col", statement.query.at)
    if statement.audio_col.text.lower() == statement.text_col.text.lower():
        message = f"audio_col and text_col name the same column {statement.text_col}"
        at = statement.query.at if statement.text_col.at == NO_PLACE else statement.text_col.at
        raise source.error(InvalidOption, message, at, "One holds paths of recordings, the other what they say.")
    return kind(
        sql=query.sql,
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


def _check_name(name: Name, what: str, source: Source) -> None:
    """A new table or model: its name becomes part of SQL and, for a model, of a path."""
    good = r"[^\W\d][\w.-]*" if what == "model" else r"[^\W\d][^\x00-\x1f\x7f]*"
    if not re.fullmatch(good, name.text) or len(name.text) > LONGEST_NAME:
        of = "letters, digits, _, - and ." if what == "model" else "printable characters"
        hint = f"A {what}'s name begins with a letter or _, and holds {of}, {LONGEST_NAME} at most."
        raise source.error(StatementError, f"{name.text!r} cannot be the name of a {what}", name.at, hint)


def _check_table(table: Name, snapshot: Snapshot, source: Source) -> None:
    if find_table(table.text, snapshot) is None:
        hint = suggest(table.text, sorted(each.name for each in snapshot.tables), "tables")
        raise source.error(UnknownTable, f"there is no table {table}", table.at, hint)


def _find_model(name: Name, snapshot: Snapshot, source: Source) -> Model:
    for model in snapshot.models:
        if model.name == name.text:
            return model
    models = sorted(model.name for model in snapshot.models)
    hint = suggest(name.text, models, "models")
    same_base = [model.name for model in snapshot.models if model.class_name.lower() == name.text.lower()]
    if same_base:
        hint = f"That is the name of a base model; the model made from it is {same_base[0]}."
    raise source.error(UnknownModel, f"there is no model {name}", name.at, hint)


def _check_column(source: Source, query: CheckedQuery, wanted: Name, option: str, query_at: int) -> None:
    if query.columns is not None and find_column(query.columns, wanted.text) is None:
        raise missing_column(source, query.columns, wanted, option, query_at)


_ANALYSES: dict[type[s.Statement], Callable[[Any, Snapshot, Source], tuple[p.Step, ...]]] = {
    s.Select: _select,
    s.Copy: _copy,
    s.DropTable: _drop_table,
    s.DescribeTable: _describe_table,
    s.DescribeModel: _describe_model,
    s.DeleteModel: _delete_model,
    s.PrintAudio: _print_audio,
    s.Predict: _predict,
    s.BuildModel: _build_model,
    s.FitModel: _fit_model,
    s.ExportModel: _export_model,
    s.ListTables: lambda *_: (p.ShowTables(),),
    s.ListModels: lambda *_: (p.ShowModels(),),
    s.ListJobs: lambda *_: (p.ShowJobs(),),
    s.DescribeJob: lambda statement, *_: (p.ShowJob(statement.job),),
    s.CancelJob: lambda statement, *_: (p.StopJob(statement.job),),
    s.ResumeJob: lambda statement, *_: (p.TakeUpJob(statement.job),),
    s.ListBaseModels: lambda *_: (p.ShowBaseModels(),),
}
