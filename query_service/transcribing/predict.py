"""PREDICT: the rows of a query with the transcripts of their recordings, each distinct file transcribed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import pyarrow as pa

from query_service.planning.result_columns import find_column, taken_column
from query_service.planning.steps import Transcribe
from query_service.running.arrow import read_rows
from query_service.running.progress import Pacer
from query_service.running.spool import RowSpool
from query_service.running.work import Outcome, Steps, Work
from query_service.transcribing.audio_column import find_audio, find_reference
from query_service.transcribing.prediction_rows import PredictionRows
from query_service.transcribing.recordings import Recordings
from query_service.transcribing.transcription import Transcription
from thanosql.errors import DataError
from thanosql.types import Progress, Rows

ROWS_AT_ONCE = 500
"""Rows that are sent on together, as soon as all of them have their transcript."""
ROWS_LOOKED_UP = 2_000
"""Rows whose transcripts are looked up together, and sent on where all are known."""
FIRST_ROWS = 16
"""How many the first of either are; each time twice as many follow."""


def transcribe(step: Transcribe, work: Work) -> Steps:
    """All columns of the query, then the transcript; row order is kept.

    Rows whose transcripts are known are sent on while the query runs; from the first on that is not, rows wait until
    the whole query was read, so that the model is asked for all that it does not know at once.
    """
    recordings = Recordings(work.workspace)
    rows = PredictionRows(step, recordings)
    with RowSpool() as spool, closing(Transcription(step, work, recordings)) as transcription:
        yield from _read_query(step, work, spool, recordings, rows, transcription)
        answers = transcription.transcribe_waiting()
        with closing(answers):
            for batch in _slices(spool.batches(), ROWS_AT_ONCE):
                waiting = {number for number in rows.next_numbers(batch) if not recordings.is_done(number)}
                while waiting:
                    answer = next(answers)
                    if isinstance(answer, int):
                        waiting.discard(answer)
                    else:
                        yield answer
                yield rows.join(batch)
            for answer in answers:  # the last progress
                if not isinstance(answer, int):
                    yield answer
        yield from transcription.notices()
    yield from rows.notices()
    return Outcome(len(recordings.rows))


def _read_query(
    step: Transcribe,
    work: Work,
    spool: RowSpool,
    recordings: Recordings,
    rows: PredictionRows,
    transcription: Transcription,
) -> Iterator[Rows | Progress]:
    """Takes in the rows of the query and the recordings that they name; gives those that are complete already."""
    pacer = Pacer()
    audio: int | None = None
    for batch in _slices((batch for some in work.query(step.query) for batch in read_rows(some)), ROWS_LOOKED_UP):
        is_first = audio is None
        if audio is None:
            audio = _check_schema(step, work, batch.schema)
        work.cancellation.check()
        first_row = len(recordings.rows)
        recordings.add_rows(batch.column(audio).to_pylist())
        transcription.look_up()
        progress = Progress("read rows", len(recordings.rows), unit="rows")
        if pacer.lets_through(progress, work.clock()):
            yield progress
        if spool.rows or not all(map(recordings.is_done, recordings.rows[first_row:])):
            spool.append(batch)
        elif batch.num_rows or is_first:
            yield rows.join(batch)
    if audio is None:
        raise DataError("catalog_service sent no rows and no columns", hint="Run the query alone to see why.")


def _check_schema(step: Transcribe, work: Work, schema: pa.Schema) -> int:
    """What could not be checked before the query ran; the index of the audio column."""
    audio = find_audio(step, work, schema)
    if step.reference is not None:
        find_reference(step.reference, work, schema)
    added = {"result": step.result, "confidence": step.confidence, "words": step.words, "error": step.error}
    for option, name in added.items():
        if name is not None and find_column(schema.names, name.text) is not None:
            raise taken_column(work.source, name, f"{option}_col", work.query_at)
    return audio


def _slices(batches: Iterable[pa.RecordBatch], most: int) -> Iterator[pa.RecordBatch]:
    """The rows in parts of few at first, so that who needs few is not kept waiting, then of `most`."""
    count = FIRST_ROWS
    for batch in batches:
        start = 0
        while start < max(batch.num_rows, 1):
            yield batch.slice(start, count)
            start, count = start + count, min(2 * count, most)
