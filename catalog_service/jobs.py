"""Decides about jobs: who may hold one, for how long, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from thanosql.errors import DataError, LeaseLost, NameTaken, NotFound
from thanosql.types import Job, JobKind, JobSpec, JobState


def create(id: str, spec: JobSpec, existing: Job | None, now: datetime) -> Job:
    """A queued job. Asking twice for the same job gives the one that is there (a call may be repeated).

    Raises:
        DataError: the id cannot be the name of a folder.
        NameTaken: another job has the id.
    """
    if not id or not id.replace("-", "").replace("_", "").isalnum():
        raise DataError(f"{id!r} cannot be the id of a job", hint="Use letters, digits, '-' and '_', such as a UUID.")
    if existing is None:
        return Job(id, spec, created_at=now, updated_at=now)
    if existing.spec != spec:
        raise NameTaken(f"there is another job {id!r}", hint="Choose another id, such as a new UUID.")
    return existing


def unknown(id: str, newest_ids: Iterable[str]) -> NotFound:
    """The error for a job that is not there."""
    known = ", ".join(newest_ids)
    return NotFound(f"job {id!r} does not exist", hint=f"The newest jobs are: {known}." if known else "There are none.")


def is_claimable(job: Job, now: datetime) -> bool:
    """Whether a trainer may take the job: it waits, or the trainer that held it has gone."""
    return job.state is JobState.QUEUED or (job.state is JobState.RUNNING and job.lease_expires_at <= now)


def claim(job: Job, owner: str, lease_seconds: float, now: datetime) -> Job:
    """The job in the hands of `owner`, for `lease_seconds`."""
    return replace(
        job,
        state=JobState.RUNNING,
        owner=owner,
        attempts=job.attempts + 1,
        lease_expires_at=_lease_end(owner, lease_seconds, now),
        updated_at=now,
    )


def renew(job: Job, owner: str, lease_seconds: float, now: datetime) -> Job:
    """The job with a lease that runs from now. A lease that ran out unnoticed is renewed too.

    Raises:
        LeaseLost: the job has ended, or is not in the hands of `owner`.
    """
    if job.state is not JobState.RUNNING:
        raise LeaseLost(f"job {job.id} is {job.state.value}", hint="Stop working on it.")
    if job.owner != owner:
        raise LeaseLost(f"job {job.id} is held by {job.owner!r}, not by {owner!r}", hint="Stop working on it.")
    return replace(job, lease_expires_at=_lease_end(owner, lease_seconds, now), updated_at=now)


def keep_lease(job: Job, now: datetime) -> Job:
    """The job when a catalog opens: where the clock went back meanwhile, its lease runs from now, at its old length.

    Without this, the job of a trainer that has gone would wait until the clock is again where it was.
    """
    if job.state is not JobState.RUNNING or job.updated_at <= now:
        return job
    return replace(job, lease_expires_at=now + (job.lease_expires_at - job.updated_at), updated_at=now)


def finish(job: Job, state: JobState, error: str, now: datetime) -> Job:
    """The job at its end. One that has ended stays as it is: the first end counts.

    Raises:
        DataError: `state` is not an end.
    """
    if not state.ended:
        raise DataError(f"a job cannot end as {state.value!r}", hint="It ends as succeeded, failed or cancelled.")
    if job.state.ended:
        return job
    return replace(job, state=state, error=error, lease_expires_at=now, updated_at=now)


def resume(job: Job, now: datetime) -> Job:
    """The job back in the queue, at its old place; one that waits or runs stays as it is.

    Its attempts are counted anew and its error is forgotten: what was wrong may have been mended.

    Raises:
        DataError: it has succeeded.
    """
    if not job.state.ended:
        return job
    if job.state is JobState.SUCCEEDED:
        raise DataError(
            f"job {job.id} has succeeded: there is nothing to resume",
            hint=f"FIT MODEL {job.spec.model} USING {job.spec.model} … goes on training the model that it made."
            if job.spec.kind is not JobKind.EXPORT
            else f"The model {job.spec.model} is ready.",
        )
    return replace(job, state=JobState.QUEUED, owner="", attempts=0, error="", lease_expires_at=now, updated_at=now)


def _lease_end(owner: str, lease_seconds: float, now: datetime) -> datetime:
    if not owner:
        raise DataError(
            "a job is claimed by a trainer that has a name", hint="Give an owner, such as host and process."
        )
    if not 0 < lease_seconds <= 86_400:
        raise DataError(f"a lease of {lease_seconds:g} seconds makes no sense", hint="Give 1 to 86400 seconds.")
    return now + timedelta(seconds=lease_seconds)
