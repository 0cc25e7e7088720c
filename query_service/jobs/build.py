"""BUILD MODEL and FIT MODEL: the rows of a query to a training job, and the job's progress to the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from query_service.jobs.follow import follow_job, shorten
from query_service.jobs.submitting import submit_once
from query_service.planning.result_columns import find_column, missing_column
from query_service.planning.steps import FitModel, TrainModel
from query_service.running.arrow import is_text, make_rows, read_rows
from query_service.running.progress import Pacer
from query_service.running.spool import RowSpool
from query_service.running.work import Outcome, Steps, Work
from thanosql.errors import AudioError, DataError, NotFound, PathRefused, ThanoSQLError, UnknownBaseModel
from thanosql.types import JobKind, JobResult, JobSpec, Notice, Progress, Rows, Severity
from thanosql.workspace import existing_file

FILES_TRIED = 8
"""Recordings that are opened before a job is queued; one must be usable."""

SPEAKER = "speaker"
"""Column by which rows are held out, where the query has it."""


def train(step: TrainModel, work: Work) -> Steps:
    """Checks what can be checked at once, queues the job, follows it; gives the row of its result."""
    goes_on = isinstance(step, FitModel)
    if not goes_on:
        try:
            base = work.services.trainer.resolve_base_model(step.base.text)
        except UnknownBaseModel as error:
            raise work.source.placed(error, step.base.at) from error
        if base.fallback_notice:
            yield Notice(base.fallback_notice, Severity.WARNING)
    check_language_model(step, work)
    with RowSpool() as spool:
        pacer = Pacer()
        for batch in rows_to_learn(step, work):
            spool.append(batch)
            progress = Progress("read rows", spool.rows, unit="rows")
            if pacer.lets_through(progress, work.clock()):
                yield progress
        check_first_files(spool, work, step)
        job = yield from submit_once(job_spec(step), spool.read(), work)
    yield Notice(f"This is job {shorten(job.id)}: CANCEL JOB {shorten(job.id)} stops it, RESUME JOB goes on with it.")
    result = yield from follow_job(job.id, work)
    yield result_rows(result)
    return Outcome(1, version=result.version)


def result_rows(result: JobResult) -> Rows:
    """The row that a training gives."""
    return make_rows(
        {
            "model": pa.string(),
            "version": pa.int32(),
            "wer": pa.float64(),
            "cer": pa.float64(),
            "train_rows": pa.int64(),
            "dropped_rows": pa.int64(),
            "audio_seconds": pa.float64(),
            "seconds": pa.float64(),
        },
        [
            (
                *(result.model, result.version, result.wer, result.cer),
                *(result.train_rows, result.dropped_rows, result.audio_seconds, result.seconds),
            )
        ],
    )


def job_spec(step: TrainModel) -> JobSpec:
    """What the trainer is told to do."""
    return JobSpec(
        kind=JobKind.FIT if isinstance(step, FitModel) else JobKind.BUILD,
        model=step.model.text,
        base=step.base.text,
        epochs=step.epochs,
        batch_size=step.batch_size,
        learning_rate=step.learning_rate,
        eval_fraction=step.eval_fraction,
        seed=step.seed,
        early_stopping=step.early_stopping,
        lora=step.lora,
        augmentation=step.augmentation,
        language_model=step.language_model.text if step.language_model is not None else "",
        devices=step.devices,
        statement=step.statement,
    )


def rows_to_learn(step: TrainModel, work: Work) -> Iterator[pa.RecordBatch]:
    """The query's rows as `audio_path`, `text` and, where the query has it, `speaker`."""
    for rows in work.query(step.query):
        for batch in read_rows(rows):
            names = batch.schema.names
            columns = {}
            for name, wanted, option in (("audio_path", step.audio, "audio_col"), ("text", step.text, "text_col")):
                index = find_column(names, wanted.text)
                if index is None:
                    raise missing_column(work.source, names, wanted, option, work.query_at)
                columns[name] = batch.column(index)
            if not is_text(columns["audio_path"].type) and not pa.types.is_null(columns["audio_path"].type):
                raise work.source.error(
                    DataError,
                    f"the column {step.audio} holds {columns['audio_path'].type}, not paths of recordings",
                    work.query_at,
                    "Name the column with the paths: OPTIONS (audio_col='…').",
                )
            speaker = find_column(names, SPEAKER)
            if speaker is not None and SPEAKER not in (step.audio.text.lower(), step.text.text.lower()):
                columns[SPEAKER] = batch.column(speaker)
            yield pa.RecordBatch.from_pydict({name: _as_text(column) for name, column in columns.items()})


def _as_text(column: pa.Array[Any]) -> pa.Array[Any]:
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def check_language_model(step: TrainModel, work: Work) -> None:
    """Looks for the file of a language model before an hour of training, not after it.

    Raises:
        NotFound, PathRefused: the option names no file of the workspace.
    """
    wanted = step.language_model
    if wanted is None or wanted.text in ("true", "false"):
        return
    try:
        existing_file(work.workspace, wanted.text)
    except (NotFound, PathRefused) as error:
        raise work.source.placed(error, wanted.at) from error


def check_first_files(spool: RowSpool, work: Work, step: TrainModel) -> None:
    """Opens the first recordings, so that a wrong folder is found out at once and not by the trainer.

    Raises:
        DataError: there is no row, or none of the first recordings can be opened.
    """
    from thanosql.audio import read_header

    if not spool.rows:
        raise work.source.error(
            DataError, "the query gives no rows to learn from", work.query_at, "Run the query alone to see why."
        )
    reasons: Counter[str] = Counter()
    first: ThanoSQLError | None = None
    for path in _first_paths(spool):
        work.cancellation.check()
        try:
            read_header(existing_file(work.workspace, path), name=path)
            return
        except (NotFound, PathRefused, AudioError) as error:
            first = first or error
            reasons[error.reason if isinstance(error, AudioError) else _REASONS[type(error)]] += 1
    if first is None:
        message = f"the column {step.audio} names no recording in any row"
        raise work.source.error(DataError, message, work.query_at, "OPTIONS (audio_col='…') says which column does.")
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    message = f"none of the first {reasons.total()} recordings can be used ({counted}): {first.message}"
    raise work.source.error(DataError, message, work.query_at, first.hint)


_REASONS: dict[type[ThanoSQLError], str] = {NotFound: "missing", PathRefused: "path refused"}


def _first_paths(spool: RowSpool) -> list[str]:
    paths: dict[str, None] = {}
    for batch in spool.batches():
        for path in batch.column(0).to_pylist():
            if path is not None and path.strip():
                paths[path] = None
            if len(paths) == FILES_TRIED:
                return list(paths)
    return list(paths)
