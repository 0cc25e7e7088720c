"""Queues a job at the trainer, once: where its answer is lost, the catalog is asked whether it has the job."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from query_service.running.work import Work
from thanosql.errors import TimedOut, Unavailable
from thanosql.types import Job, JobSpec, Notice, Rows, Severity

PATIENCE = 60.0
"""Seconds for which services that went away are waited for."""
PAUSE = 0.5
"""Seconds between two questions."""
LOOK_AGAIN = 2.0
"""Seconds after which a job that is not there is looked for once more: a trainer that only could not be reached may be
telling the catalog of it at that moment."""


def submit_once(spec: JobSpec, rows: Iterable[Rows], work: Work) -> Generator[Notice, None, Job]:
    """The job, queued by this call or, where a service went away meanwhile, found in the queue.

    Raises:
        Unavailable: says whether anything was queued, or how to find out.
        ThanoSQLError: what the trainer says.
    """
    catalog, trainer = work.services.catalog, work.services.trainer
    known = {job.id for job in catalog.list_jobs()}
    try:
        return trainer.submit_job(spec, rows)
    except (Unavailable, TimedOut) as error:
        work.cancellation.check()
        yield Notice(
            f"trainer_service went away while it took the job; waiting for it, {PATIENCE:g} seconds at most.",
            Severity.WARNING,
        )
        until, looks = work.clock() + PATIENCE, 2
        while True:
            try:
                trainer.list_base_models()  # it must be there: one that hangs may yet take the job
                jobs = [job for job in catalog.list_jobs() if job.id not in known and job.spec == spec]
                if jobs:
                    return jobs[0]
                looks -= 1
                if not looks:
                    raise Unavailable(
                        f"the job was not queued: {error.message}", hint="Nothing was begun: run the statement again."
                    ) from error
                work.cancellation.wait(LOOK_AGAIN)
            except (Unavailable, TimedOut) as again:
                if not looks:
                    raise
                work.cancellation.check()
                if work.clock() > until:
                    raise Unavailable(
                        f"it is not known whether the job was queued: {error.message}, and the services have not "
                        f"answered for {PATIENCE:g} s since",
                        hint="When they are back, LIST JOBS shows it, where it was: RESUME JOB follows it then. Run "
                        "the statement again only if it is not there.",
                    ) from again
                work.cancellation.wait(PAUSE)
