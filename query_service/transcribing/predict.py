"""PREDICT: the rows of a query with the transcripts of their recordings, each distinct file transcribed once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pyarrow as pa

from query_service.language.source import NO_PLACE
from query_service.planning.result_columns import find_column, missing_column, taken_column
from query_service.planning.steps import Transcribe
from query_service.running.arrow import is_text, read_rows
from query_service.running.progress import Pacer, RateEstimator
from query_service.running.spool import RowSpool
from query_service.running.work import Outcome, Steps, Work
from query_service.transcribing.prediction_rows import PredictionRows
from query_service.transcribing.recordings import Failure, Recordings
from query_service.transcribing.transcript_cache import TranscriptCache, name_decoding
from thanosql.errors import DataError, InvalidOption, NotSupported
from thanosql.types import (
    CachedTranscript,
    ClipFailure,
    Notice,
    Progress,
    TranscribeClip,
    TranscribeStart,
    Transcript,
)

ROWS_AT_ONCE = 500
"""Rows that are sent on together, as soon as all of them have their transcript."""


def transcribe(step: Transcribe, work: Work) -> Steps:
    """All columns of the query, then the transcript; row order is kept."""
    recordings = Recordings(work.workspace)
    with ExitStack() as stack:
        spool = stack.enter_context(RowSpool())
        yield from _fetch(step, work, spool, recordings)
        cache = TranscriptCache(
            step.model.text,
            step.version,
            work,
            step.cache,
            needs_words=step.words is not None,
            decoding=name_decoding([word.text for word in step.hotwords], step.hotword_weight),
        )
        stack.callback(cache.close)
        yield from cache.look_up(recordings)
        if step.on_error == "fail":
            _refuse_first_failure(recordings)
        answers = _transcribe_waiting(step, work, recordings, cache)
        rows = PredictionRows(step, recordings)
        for batch in _slices(spool):
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
        yield from cache.notices()
    yield from rows.notices()
    return Outcome(spool.rows)


def _fetch(step: Transcribe, work: Work, spool: RowSpool, recordings: Recordings) -> Iterator[Progress]:
    """Takes in the rows of the query, and the recordings that they name."""
    pacer = Pacer()
    audio: int | None = None
    for rows in work.query(step.query):
        for batch in read_rows(rows):
            if audio is None:
                audio = _check_schema(step, work, batch.schema)
            work.cancellation.check()
            spool.append(batch)
            recordings.add_rows(batch.column(audio).to_pylist())
            progress = Progress("read rows", spool.rows, unit="rows")
            if pacer.lets_through(progress, work.clock()):
                yield progress
    if audio is None:
        raise DataError("catalog_service sent no rows and no columns", hint="Run the query alone to see why.")


def _check_schema(step: Transcribe, work: Work, schema: pa.Schema) -> int:
    """What could not be checked before the query ran; the index of the audio column."""
    audio = find_column(schema.names, step.audio.text)
    if audio is None:
        raise missing_column(work.source, schema.names, step.audio, "audio_col", work.query_at)
    kind = schema.field(audio).type
    if not is_text(kind) and not pa.types.is_null(kind):
        message = f"the column {step.audio} holds {kind}, not paths of recordings"
        hint = "Name the column with the paths: OPTIONS (audio_col='…')."
        raise work.source.error(
            InvalidOption, message, work.query_at if step.audio.at == NO_PLACE else step.audio.at, hint
        )
    if step.reference is not None and find_column(schema.names, step.reference.text) is None:
        raise missing_column(work.source, schema.names, step.reference, "text_col", work.query_at)
    added = {"result": step.result, "confidence": step.confidence, "words": step.words, "error": step.error}
    for option, name in added.items():
        if name is not None and find_column(schema.names, name.text) is not None:
            raise taken_column(work.source, name, f"{option}_col", work.query_at)
    return audio


def _slices(spool: RowSpool) -> Iterator[pa.RecordBatch]:
    for batch in spool.batches():
        for start in range(0, max(batch.num_rows, 1), ROWS_AT_ONCE):
            yield batch.slice(start, ROWS_AT_ONCE)


def _transcribe_waiting(
    step: Transcribe, work: Work, recordings: Recordings, cache: TranscriptCache
) -> Iterator[int | Progress | Notice]:
    """One stream for all that is not known yet; gives each recording's number as it is done, and progress."""
    waiting = recordings.waiting()
    if not waiting:
        return
    start = TranscribeStart(
        step.model.text,
        step.version,
        batch_size=step.batch_size,
        words=step.words is not None,
        hotwords=tuple(word.text for word in step.hotwords),
        hotword_weight=step.hotword_weight or 0.0,
    )

    def clips() -> Iterator[TranscribeClip]:
        for number in waiting:
            if work.cancellation.is_set:
                return
            key = recordings.keys[number]
            yield TranscribeClip(number, path=key.path if key is not None else recordings.paths[number])

    total, done, audio_seconds = len(recordings.rows), recordings.done_rows(), 0.0
    pacer, rate, speed = Pacer(), RateEstimator(), RateEstimator()
    rate.add(work.clock(), done)
    speed.add(work.clock(), 0.0)
    yield Progress("transcribe", done, total, "rows")
    for answer in _placed(work.services.inference.transcribe(start, clips()), step, work):
        number, key = answer.id, recordings.keys[answer.id]
        if number in recordings.results or key is None:
            continue
        if isinstance(answer, ClipFailure):
            recordings.results[number] = Failure(answer.reason, answer.message)
            if step.on_error == "fail":
                _refuse_first_failure(recordings)
        else:
            known = CachedTranscript(key, answer.text, answer.confidence, _as_json(answer), answer.audio_seconds)
            recordings.results[number] = known
            audio_seconds += answer.audio_seconds
            cache.keep(known)
        done += recordings.uses[number]
        now = work.clock()
        rate.add(now, done)
        speed.add(now, audio_seconds)
        progress = Progress(
            "transcribe",
            done,
            total,
            "rows",
            rate=rate.rate,
            seconds_left=rate.seconds_left(total),
            figures={"audio_seconds_per_second": speed.rate},
        )
        if pacer.lets_through(progress, now):
            yield progress
        yield number
    forgotten = recordings.waiting()
    if forgotten:
        work.cancellation.check()
        raise DataError(
            f"inference_service gave no answer for {len(forgotten)} recordings, {recordings.paths[forgotten[0]]} first",
            hint="Run the statement again: the transcripts that are done are kept.",
        )


def _placed(
    answers: Iterable[Transcript | ClipFailure], step: Transcribe, work: Work
) -> Iterator[Transcript | ClipFailure]:
    """The answers; what is wrong with the hotwords is shown where they stand."""
    try:
        yield from answers
    except (InvalidOption, NotSupported) as error:
        raise work.source.placed(error, step.hotwords[0].at if step.hotwords else NO_PLACE) from error


def _as_json(transcript: Transcript) -> str:
    words = [
        {
            "word": word.word,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "confidence": round(word.confidence, 4),
        }
        for word in transcript.words
    ]
    return json.dumps(words, ensure_ascii=False)


def _refuse_first_failure(recordings: Recordings) -> None:
    failure = recordings.first_failure()
    if failure is not None:
        row, message = failure
        raise DataError(f"row {row}: {message}", hint="on_error='null' gives NULL for such a row and goes on.")
