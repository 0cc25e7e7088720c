"""The rows of LIST JOBS, and of DESCRIBE JOB for a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

import pyarrow as pa

from query_service.jobs.follow import SHOWN
from query_service.jobs.query_listings import describe_progress, progress_properties, query_row, to_second
from query_service.running.arrow import make_rows
from query_service.running.status import QueryStatus
from query_service.showing.listings import MOMENT, utc
from thanosql.types import Job, JobProgress, JobState, Rows

COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "kind": pa.string(),
    "model": pa.string(),
    "state": pa.string(),
    "progress": pa.string(),
    "rate": pa.float64(),
    "seconds_left": pa.float64(),
    "attempts": pa.int32(),
    "created_utc": MOMENT,
    "who": pa.string(),
    "trainer": pa.string(),
    "statement": pa.string(),
}
"""Of LIST JOBS."""


def job_rows(
    jobs: Sequence[Job],
    progress: Mapping[str, JobProgress],
    queries: Sequence[QueryStatus] = (),
    senders: Mapping[str, QueryStatus] = MappingProxyType({}),
) -> Rows:
    """LIST JOBS: what waits or runs, then what has ended; the newest first.

    Args:
        jobs: The newest first.
        progress: How far they are, by id, as far as it is known.
        queries: The statements to show beside them.
        senders: The statements that follow jobs, by the job's id.
    """
    ids = [*(job.id for job in jobs), *(query.id for query in queries)]
    waiting = [job.id for job in reversed(jobs) if not job.state.ended]
    rows = []
    for job in jobs:
        place = waiting.index(job.id) if job.state is JobState.QUEUED else 0
        sender = senders.get(job.id)
        row = _job_row(job, _shortest(job.id, ids), progress.get(job.id), place, sender.who if sender else None)
        rows.append((job.state.ended, job.created_at, row))
    rows += [(query.state.ended, query.started_at, query_row(query, _shortest(query.id, ids))) for query in queries]
    rows.sort(key=lambda each: each[1], reverse=True)
    return make_rows(COLUMNS, [row for is_over in (False, True) for ended, _, row in rows if ended is is_over])


def _job_row(job: Job, id: str, known: JobProgress | None, place: int, who: str | None) -> tuple[object, ...]:
    last = known.progress if known else None
    is_running = job.state is JobState.RUNNING
    said = describe_progress(last) if last else ""
    if job.state is JobState.QUEUED:
        said = _describe_place(place)
    elif job.state is JobState.SUCCEEDED:
        said = ""
    return (
        *(id, job.spec.kind.value, job.spec.model, job.state.value, said),
        (last.rate or None) if last and is_running else None,
        last.seconds_left if last and is_running else None,
        *(job.attempts, to_second(utc(job.created_at)), who, job.owner, " ".join(job.spec.statement.split())),
    )


def job_properties(job: Job, known: JobProgress | None, sender: QueryStatus | None = None) -> tuple[Rows, int]:
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
    if sender is not None:
        values += [("who", sender.who or None), ("statement_id", sender.id)]
    if known is not None:
        is_resumable = known.resumable and job.state in (JobState.FAILED, JobState.CANCELLED)
        values.append(("resumable", str(is_resumable).lower()))
        values += progress_properties(known.progress) if known.progress else []
    said = ("kind", "model", "base", "statement")
    options = ((name, value) for name, value in asdict(job.spec).items() if name not in said)
    values += [(f"option.{name}", None if value is None else str(value)) for name, value in options]
    values.append(("statement", job.spec.statement or None))
    return make_rows({"property": pa.string(), "value": pa.string()}, values), len(values)


def _describe_place(ahead: int) -> str:
    return "is next" if not ahead else f"waits for {ahead} {'job' if ahead == 1 else 'jobs'}"


def _shortest(id: str, ids: Sequence[str]) -> str:
    """As much of an id as makes it clear, and no less than is shown elsewhere."""
    length = SHOWN
    while length < len(id) and sum(other.startswith(id[:length]) for other in ids) > 1:
        length += 4
    return id[:length]
