"""Finds the columns with recordings and texts in the rows that a query gives; asked when their types are known."""

from __future__ import annotations

import pyarrow as pa

from query_service.language.options import Name
from query_service.language.source import NO_PLACE
from query_service.planning.result_columns import find_column, missing_column
from query_service.planning.steps import Evaluate, Transcribe
from query_service.running.arrow import is_text
from query_service.running.work import Work
from thanosql.errors import InvalidOption


def find_audio(step: Transcribe | Evaluate, work: Work, schema: pa.Schema) -> int:
    """The index of the column with the paths of the recordings.

    Raises:
        UnknownColumn: there is none of the name.
        InvalidOption: it holds no texts.
    """
    audio = find_column(schema.names, step.audio.text)
    if audio is None:
        raise missing_column(work.source, schema.names, step.audio, "audio_col", work.query_at)
    kind = schema.field(audio).type
    if not is_text(kind) and not pa.types.is_null(kind):
        message = f"the column {step.audio} holds {kind}, not paths of recordings"
        hint = "Name the column with the paths: OPTIONS (audio_col='…')."
        at = work.query_at if step.audio.at == NO_PLACE else step.audio.at
        raise work.source.error(InvalidOption, message, at, hint)
    return audio


def find_reference(reference: Name, work: Work, schema: pa.Schema) -> int:
    """The index of the column with what was said.

    Raises:
        UnknownColumn: there is none of the name.
    """
    index = find_column(schema.names, reference.text)
    if index is None:
        raise missing_column(work.source, schema.names, reference, "text_col", work.query_at)
    return index
