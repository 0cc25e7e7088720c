"""Follows a job: its events as they come, then its result or why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from thanosql.clients import CatalogClient
from thanosql.errors import Cancelled, JobFailed
from thanosql.types import Job, JobEvent, JobResult, JobState
from trainer_service.jobs.job_folder import JobFolder
from trainer_service.jobs.worker import Worker

LOOK_SECONDS = 0.2
"""Between two looks at the events."""
ASK_SECONDS = 2.0
"""Between two questions to the catalog after a job that is under way here; other jobs are asked for at each look."""


def watch(
    job: Job, next_event: int, folder: JobFolder, catalog: CatalogClient, worker: Worker, is_wanted: Callable[[], bool]
) -> Iterator[JobEvent]:
    """The events of a job from number `next_event` on, until it ends; works after the end too.

    Args:
        job: As the catalog knows it.
        next_event: Earlier events are left out.
        folder: The job's files.
        catalog: Asked whether the job has ended.
        worker: Asked whether it works on the job.
        is_wanted: Whether anybody still listens.

    Raises:
        JobFailed, Cancelled: how the job ended, where it did not succeed.
    """
    offset = number = 0
    asked_at = float("-inf")
    while is_wanted():
        # Asked before the events are read: what a job says before its end is not missed then.
        if not job.state.ended and (not worker.works_on(job.id) or time.monotonic() - asked_at > ASK_SECONDS):
            job, asked_at = catalog.get_job(job.id), time.monotonic()
        events, offset = folder.events.read(offset, number)
        number += len(events)
        yield from (event for event in events if event.number >= next_event)
        if job.state.ended:
            yield JobEvent(number, _result_of(job, folder, catalog))
            return
        if not events:
            with worker.changed:
                worker.changed.wait(LOOK_SECONDS)


def _result_of(job: Job, folder: JobFolder, catalog: CatalogClient) -> JobResult:
    if job.state is JobState.CANCELLED:
        hint = f"RESUME JOB {job.id[:8]} goes on from its last checkpoint." if folder.rows.exists() else ""
        raise Cancelled(f"job {job.id} was cancelled", hint=hint)
    if job.state is JobState.FAILED:
        failure = folder.read_failure()
        if failure is not None:
            raise JobFailed(failure.message, hint=failure.hint)
        message, _, hint = job.error.partition("\n")
        raise JobFailed(message or "the job failed", hint=hint)
    product = folder.read_product()
    if product is not None:
        return product.result
    # An export that another job had already made.
    model = catalog.get_model(job.spec.model)
    return JobResult(model.name, model.version, model.wer, model.cer)
