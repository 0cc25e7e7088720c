"""LIST JOBS, DESCRIBE JOB, CANCEL JOB and RESUME JOB, as steps of a plan."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from query_service.jobs.build import result_rows
from query_service.jobs.follow import follow_job, shorten
from query_service.jobs.listings import job_properties, job_rows
from query_service.language.options import Name
from query_service.planning.steps import ShowJob, ShowJobs, StopJob, TakeUpJob
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import DataError, NotFound, StatementError, TimedOut, Unavailable
from thanosql.types import Job, JobProgress, JobState, Notice, Severity

LEAST_CHARACTERS = 4
"""Of a job's id that make it known, where no other begins with them."""


def show_jobs(_: ShowJobs, work: Work) -> Steps:
    """The rows of LIST JOBS."""
    jobs = work.services.catalog.list_jobs()
    # How far a job came that is done says nothing.
    progress = yield from _progress([job for job in jobs if job.state is not JobState.SUCCEEDED], work)
    yield job_rows(jobs, progress)
    return Outcome(len(jobs))


def show_job(step: ShowJob, work: Work) -> Steps:
    """The rows of DESCRIBE JOB."""
    job = find_job(step.job, work)
    progress = yield from _progress((job,), work)
    rows, count = job_properties(job, progress.get(job.id))
    yield rows
    return Outcome(count)


def stop_job(step: StopJob, work: Work) -> Steps:
    """CANCEL JOB; says so where the job had ended."""
    job = find_job(step.job, work)
    if not job.state.ended:
        job = work.services.trainer.cancel_job(job.id)
        if job.state is JobState.CANCELLED:
            yield Notice(f"RESUME JOB {shorten(job.id)} goes on with it from its last checkpoint.")
            return Outcome(message=SUCCESS)
    yield Notice(f"Job {shorten(job.id)} had ended: {job.state.value}.", Severity.WARNING)
    return Outcome(message=SUCCESS)


def take_up_job(step: TakeUpJob, work: Work) -> Steps:
    """RESUME JOB: the events of the job from now on, and the row of its result.

    Raises:
        DataError: it has succeeded, or what it needs is not kept any more.
    """
    trainer = work.services.trainer
    job = find_job(step.job, work)
    known = {each.id: each for each in trainer.get_job_progress([job.id])}
    if not job.state.ended:
        yield Notice(f"Job {shorten(job.id)} is {job.state.value}; it is followed.")
    try:
        trainer.resume_job(job.id)
    except DataError as error:
        raise work.source.placed(error, step.job.at) from error
    next_event = known[job.id].next_event if job.id in known else 0
    result = yield from follow_job(job.id, work, next_event)
    yield result_rows(result)
    return Outcome(1, version=result.version)


def find_job(name: Name, work: Work) -> Job:
    """The job whose id is `name`, or begins so.

    Raises:
        NotFound: there is none.
        StatementError: it is not clear which is meant.
    """
    jobs = work.services.catalog.list_jobs()
    text = name.text.casefold()
    meant = [job for job in jobs if job.id.casefold() == text]
    if not meant and len(text) >= LEAST_CHARACTERS:
        meant = [job for job in jobs if job.id.casefold().startswith(text)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        ids = ", ".join(job.id[: max(len(text) + 4, 8)] for job in meant[:5])
        message = f"{len(meant)} jobs begin with {name}"
        raise work.source.error(StatementError, message, name.at, f"Give more of its id: {ids}.")
    newest = ", ".join(shorten(job.id) for job in jobs[:3])
    hint = f"LIST JOBS shows them; the newest are: {newest}." if newest else "There are no jobs."
    if len(text) < LEAST_CHARACTERS:
        hint = f"Give at least {LEAST_CHARACTERS} characters of its id. {hint}"
    raise work.source.error(NotFound, f"there is no job {name}", name.at, hint)


def _progress(jobs: Sequence[Job], work: Work) -> Generator[Notice, None, dict[str, JobProgress]]:
    """How far jobs are, by id; a notice where the trainer cannot be asked."""
    try:
        return {each.id: each for each in work.services.trainer.get_job_progress([job.id for job in jobs])}
    except (Unavailable, TimedOut) as error:
        yield Notice(f"How far the jobs are is not shown: {error.message}", Severity.WARNING)
        return {}
