"""The rows of LIST JOBS and DESCRIBE JOB for statements that run or have lately ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import pyarrow as pa

from query_service.running.arrow import make_rows
from query_service.running.status import QueryStatus
from query_service.showing.listings import figure, utc
from thanosql.types import JobState, Progress, Rows

MOST_ENDED = 20
"""Statements that have ended and are shown."""
_ABOUT_JOBS = ("LIST JOBS", "DESCRIBE JOB", "CANCEL JOB")
"""Statements of those who look on."""
LEAST_SECONDS = 10.0
"""A statement that took less and was read to its end is of no interest any more."""


def choose_queries(queries: Sequence[QueryStatus], own_id: str, jobs: Collection[str]) -> list[QueryStatus]:
    """The statements that LIST JOBS is about: those that run, and of the ended ones those worth a row.

    Args:
        queries: The newest first.
        own_id: Of the query that asks.
        jobs: Ids of the trainings that are listed: their rows stand for the statements that are about them.
    """
    of_interest = (query for query in queries if query.kind and query.kind not in _ABOUT_JOBS)
    others = [query for query in of_interest if query.id != own_id and query.job not in jobs]
    ended = [query for query in others if query.state.ended and _is_notable(query)]
    shown = {query.id for query in ended[:MOST_ENDED]}
    return [query for query in others if not query.state.ended or query.id in shown]


def _is_notable(query: QueryStatus) -> bool:
    if query.ended_at is None or not query.was_read:
        return True
    return (query.ended_at - query.started_at).total_seconds() >= LEAST_SECONDS


def query_row(query: QueryStatus, id: str) -> tuple[object, ...]:
    """A row of LIST JOBS.

    Args:
        query: The statement.
        id: As much of its id as makes it clear.
    """
    is_running = not query.state.ended
    last = query.progress if is_running else None
    return (
        *(id, query.kind.lower(), query.model or None, query.state.value, _describe(query)),
        (last.rate or None) if last else None,
        last.seconds_left if last else None,
        *(None, to_second(utc(query.started_at)), query.who or None, None, " ".join(query.statement.split())),
    )


def _describe(query: QueryStatus) -> str:
    """How far it is, in words: "transcribe: 40 of 80 rows"; of a text of several statements, which one it is."""
    said = ""
    if query.progress is not None and query.state is not JobState.SUCCEEDED:
        said = describe_progress(query.progress)
    elif query.rows:
        said = f"{query.rows} rows"
    return f"statement {query.index + 1}{': ' if said else ''}{said}" if query.index else said


def query_properties(query: QueryStatus) -> tuple[Rows, int]:
    """DESCRIBE JOB for a statement, and how many rows that is."""
    values: list[tuple[str, str | None]] = [
        ("id", query.id),
        ("kind", query.kind.lower() or None),
        ("model", query.model or None),
        ("state", query.state.value),
        ("error", query.error or None),
        ("who", query.who or None),
        ("started_utc", str(utc(query.started_at))),
        ("ended_utc", str(utc(query.ended_at)) if query.ended_at else None),
        ("number", str(query.index + 1)),
        ("rows", str(query.rows)),
        ("next_event", str(query.next_event)),
        ("job", query.job or None),
    ]
    values += progress_properties(query.progress) if query.progress else []
    values.append(("statement", query.statement or query.text))
    return make_rows({"property": pa.string(), "value": pa.string()}, values), len(values)


def to_second(moment: datetime | None) -> datetime | None:
    """A moment as a list shows it."""
    return moment.replace(microsecond=0) if moment else None


def describe_progress(progress: Progress) -> str:
    """How far a piece of work is, in words.

    >>> describe_progress(Progress("train", 120, 400, "steps"))
    'train: 120 of 400 steps'
    """
    if not progress.unit:
        return progress.phase
    total = f" of {progress.total:g}" if progress.total else ""
    return f"{progress.phase}: {progress.done:g}{total} {progress.unit}"


def progress_properties(progress: Progress) -> list[tuple[str, str | None]]:
    """The figures of a progress, as DESCRIBE JOB shows them."""
    return [
        ("progress.phase", progress.phase),
        ("progress.done", figure(progress.done)),
        ("progress.total", figure(progress.total or None)),
        ("progress.unit", progress.unit or None),
        ("progress.rate", figure(progress.rate or None)),
        ("progress.seconds_left", figure(progress.seconds_left)),
        *((f"progress.{name}", figure(value)) for name, value in progress.figures.items()),
    ]
