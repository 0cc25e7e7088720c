"""Analyses of the statements about recordings."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.options import Name
from query_service.language.source import NO_PLACE, Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_column, find_model
from query_service.planning.columns import check_query
from query_service.planning.result_columns import audio_index, find_column, missing_column, taken_column
from thanosql.errors import InvalidOption
from thanosql.types import Model, ModelState, Snapshot

HOTWORD_WEIGHT = 1.0
"""Where the statement names none: `thanosql.hotwords.WEIGHT`, which says why."""


def _print_audio(statement: s.PrintAudio, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    query = check_query(source, statement.query, snapshot)
    if query.columns and audio_index(query.columns, statement.audio_col) is None:
        raise missing_column(source, query.columns, statement.audio_col, "audio_col", statement.query.at)
    for name, option in ((statement.text_col, "text_col"), (statement.result_col, "result_col")):
        if name is not None:
            check_column(source, query, name, option, statement.query.at)
    return (p.PlayAudio(query.query, statement.audio_col, statement.text_col, statement.result_col),)


def _predict(statement: s.Predict, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = find_model(statement.model, snapshot, source)
    query = check_query(source, statement.query, snapshot)
    check_column(source, query, statement.audio_col, "audio_col", statement.query.at)
    if statement.text_col is not None:
        check_column(source, query, statement.text_col, "text_col", statement.query.at)
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
    transcribe = p.Transcribe(
        query=query.query,
        model=statement.model,
        version=_version(model),
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
        hotword_weight=_hotword_weight(statement),
    )
    return _made_ready(statement.model, model, transcribe)


def _evaluate(statement: s.Evaluate, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    model = find_model(statement.model, snapshot, source)
    query = check_query(source, statement.query, snapshot)
    check_column(source, query, statement.audio_col, "audio_col", statement.query.at)
    check_column(source, query, statement.text_col, "text_col", statement.query.at)
    if statement.audio_col.text.lower() == statement.text_col.text.lower():
        message = f"audio_col and text_col name the same column {statement.text_col}"
        at = statement.query.at if statement.text_col.at == NO_PLACE else statement.text_col.at
        raise source.error(InvalidOption, message, at, "One holds paths of recordings, the other what they say.")
    evaluate = p.Evaluate(
        query=query.query,
        model=statement.model,
        version=_version(model),
        audio=statement.audio_col,
        reference=statement.text_col,
        on_error=statement.on_error,
        cache=statement.cache,
        batch_size=statement.batch_size,
        hotwords=statement.hotwords,
        hotword_weight=_hotword_weight(statement),
    )
    return _made_ready(statement.model, model, evaluate)


def _version(model: Model) -> int:
    return 0 if model.state is ModelState.PENDING else model.version


def _hotword_weight(statement: s.Predict | s.Evaluate) -> float | None:
    return (statement.hotword_weight or HOTWORD_WEIGHT) if statement.hotwords else None


def _made_ready(name: Name, model: Model, step: p.Transcribe | p.Evaluate) -> tuple[p.Step, ...]:
    """The step, after one that exports the model where nobody has yet."""
    pending = model.state is ModelState.PENDING
    return (p.MakeReady(name, model.class_name), step) if pending else (step,)


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.PrintAudio: _print_audio,
    s.Predict: _predict,
    s.Evaluate: _evaluate,
}
