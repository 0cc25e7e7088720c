"""Decides whose turn it is.

A trainer works on one job at a time: a training takes the whole machine, and two that shared it would each take longer
than one after the other. Jobs go first come, first served, by the order in which the catalog took them in; one that is
resumed has its old place. Several trainers, on machines of their own, work on several jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

from thanosql.types import Job, JobKind, JobState, Notice


def announce_turn(ahead: Sequence[Job]) -> Notice | None:
    """What a job is told whose turn has not come; None where it can begin at once.

    Args:
        ahead: The jobs before it that have not ended.
    """
    if not ahead:
        return None
    running = [f"{describe_kind(job.spec.kind)} of {job.spec.model}" for job in ahead if job.state is JobState.RUNNING]
    now = f" (now: {', '.join(running)})" if running else ""
    count = f"{len(ahead)} jobs are" if len(ahead) > 1 else "one job is"
    return Notice(f"A trainer works on one job at a time, first come, first served: {count} before this one{now}.")


def describe_kind(kind: JobKind) -> str:
    """The work of a job, as a noun."""
    return {JobKind.BUILD: "training", JobKind.FIT: "further training", JobKind.EXPORT: "export"}[kind]
