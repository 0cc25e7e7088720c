"""The rows of LIST JOBS and DESCRIBE JOB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pyarrow as pa

from query_service.jobs.follow import SHOWN
from query_service.running.arrow import make_rows
from query_service.showing.listings import MOMENT, figure, utc
from thanosql.types import Job, JobProgress, JobState, Progress, Rows


def job_rows(jobs: Sequence[Job], progress: Mapping[str, JobProgress]) -> Rows:
    """LIST JOBS.

    Args:
        jobs: The newest first.
        progress: How far they are, by id, as far as it is known.
    """
    columns: dict[str, pa.DataType] = {
        "id": pa.string(),
        "kind": pa.string(),
        "model": pa.string(),
        "state": pa.string(),
        "progress": pa.string(),
        "rate": pa.float64(),
        "seconds_left": pa.float64(),
        "attempts": pa.int32(),
        "created_utc": MOMENT,
        "trainer": pa.string(),
        "statement": pa.string(),
    }
    waiting = [job.id for job in reversed(jobs) if not job.state.ended]
    rows = []
    for job in jobs:
        known = progress.get(job.id)
        last = known.progress if known else None
        is_running = job.state is JobState.RUNNING
        said = describe_progress(last) if last else ""
        if job.state is JobState.QUEUED:
            said = _describe_place(waiting.index(job.id))
        elif job.state is JobState.SUCCEEDED:
            said = ""
        rows.append(
            (
                _shortest(job.id, [other.id for other in jobs]),
                *(job.spec.kind.value, job.spec.model, job.state.value, said),
                (last.rate or None) if last and is_running else None,
                last.seconds_left if last and is_running else None,
                *(job.attempts, utc(job.created_at), job.owner, " ".join(job.spec.statement.split())),
            )
        )
    return make_rows(columns, rows)


def job_properties(job: Job, known: JobProgress | None) -> tuple[Rows, int]:
    """DESCRIBE JOB, and how many properties there are; those that are not known are NULL."""
    values: list[tuple[str, str | None]] = [
        ("id", job.id),
        ("kind", job.spec.kind.value),
        ("model", job.spec.model),
        ("base", job.spec.base),
        ("state", job.state.value),
        ("error", job.error or None),
        ("attempts", str(job.attempts)),
        ("trainer", job.owner or None),
        ("created_utc", str(utc(job.created_at) or "")),
        ("updated_utc", str(utc(job.updated_at) or "")),
    ]
    if known is not None:
        is_resumable = known.resumable and job.state in (JobState.FAILED, JobState.CANCELLED)
        values.append(("resumable", str(is_resumable).lower()))
        values += _progress_properties(known.progress) if known.progress else []
    said = ("kind", "model", "base", "statement")
    options = ((name, value) for name, value in asdict(job.spec).items() if name not in said)
    values += [(f"option.{name}", None if value is None else str(value)) for name, value in options]
    values.append(("statement", job.spec.statement or None))
    return make_rows({"property": pa.string(), "value": pa.string()}, values), len(values)


def describe_progress(progress: Progress) -> str:
    """How far a piece of work is, in words.

    >>> describe_progress(Progress("train", 120, 400, "steps"))
    'train: 120 of 400 steps'
    """
    if not progress.unit:
        return progress.phase
    total = f" of {progress.total:g}" if progress.total else ""
    return f"{progress.phase}: {progress.done:g}{total} {progress.unit}"


def _progress_properties(progress: Progress) -> list[tuple[str, str | None]]:
    return [
        ("progress.phase", progress.phase),
        ("progress.done", figure(progress.done)),
        ("progress.total", figure(progress.total or None)),
        ("progress.unit", progress.unit or None),
        ("progress.rate", figure(progress.rate or None)),
        ("progress.seconds_left", figure(progress.seconds_left)),
        *((f"progress.{name}", figure(value)) for name, value in progress.figures.items()),
    ]


def _describe_place(ahead: int) -> str:
    return "is next" if not ahead else f"waits for {ahead} {'job' if ahead == 1 else 'jobs'}"


def _shortest(id: str, ids: Sequence[str]) -> str:
    """As much of an id as makes it clear, and no less than is shown elsewhere."""
    length = SHOWN
    while length < len(id) and sum(other.startswith(id[:length]) for other in ids) > 1:
        length += 4
    return id[:length]
