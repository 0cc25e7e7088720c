"""Reads the statements about jobs."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement


def _read_cancel(r: Reader) -> Statement:
    r.begin(s.CancelJob, "CANCEL", "JOB")
    return r.end(s.CancelJob, job=r.read_job_id())


def _read_resume(r: Reader) -> Statement:
    r.begin(s.ResumeJob, "RESUME", "JOB")
    return r.end(s.ResumeJob, job=r.read_job_id())


READERS: dict[str, Callable[[Reader], Statement]] = {
    "CANCEL": _read_cancel,
    "RESUME": _read_resume,
}
"""By the word that a statement begins with."""
