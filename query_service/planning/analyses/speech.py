"""Analyses of the statements about recordings."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.source import Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_column, find_model
from query_service.planning.columns import check_query
from query_service.planning.result_columns import audio_index, find_column, missing_column, taken_column
from thanosql.errors import InvalidOption
from thanosql.types import ModelState, Snapshot

HOTWORD_WEIGHT = 1.0
"""Where the statement names none: `thanosql.hotwords.WEIGHT`, which says why."""


def _print_audio(statement: s.PrintAudio, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    query = check_query(source, statement.query, snapshot)
    if query.columns and audio_index(query.columns, statement.audio_col) is None:
        raise missing_column(source, query.columns, statement.audio_col, "audio_col", statement.query.at)
    return (p.PlayAudio(query.query, statement.audio_col),)


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
    pending = model.state is ModelState.PENDING
    transcribe = p.Transcribe(
        query=query.query,
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


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.PrintAudio: _print_audio,
    s.Predict: _predict,
}
