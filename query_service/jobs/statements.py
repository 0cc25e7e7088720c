"""LIST JOBS, DESCRIBE JOB, CANCEL JOB and RESUME JOB, as steps of a plan."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from query_service.callers.grants import check_may_stop
from query_service.jobs.build import result_rows
from query_service.jobs.find import find_job
from query_service.jobs.follow import follow_job, shorten
from query_service.jobs.listings import job_properties, job_rows
from query_service.jobs.query_listings import choose_queries, query_properties
from query_service.planning.steps import ShowJob, ShowJobs, StopJob, TakeUpJob
from query_service.running.status import QueryStatus
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import DataError, TimedOut, Unavailable
from thanosql.rpc.identity import current_identity
from thanosql.rpc.policy import check_role
from thanosql.types import Job, JobProgress, JobState, Notice, Role, Severity


def show_jobs(_: ShowJobs, work: Work) -> Steps:
    """The rows of LIST JOBS."""
    jobs = work.services.catalog.list_jobs()
    # How far a job came that is done says nothing.
    progress = yield from _progress([job for job in jobs if job.state is not JobState.SUCCEEDED], work)
    queries = work.queries.list_queries()
    shown = choose_queries(queries, work.query_id, {job.id for job in jobs})
    yield job_rows(jobs, progress, shown, {query.job: query for query in reversed(queries) if query.job})
    return Outcome(len(jobs) + len(shown))


def show_job(step: ShowJob, work: Work) -> Steps:
    """The rows of DESCRIBE JOB."""
    job = find_job(step.job, work)
    if isinstance(job, QueryStatus):
        rows, count = query_properties(job)
    else:
        progress = yield from _progress((job,), work)
        senders = [query for query in work.queries.list_queries() if query.job == job.id]
        rows, count = job_properties(job, progress.get(job.id), senders[0] if senders else None)
    yield rows
    return Outcome(count)


def stop_job(step: StopJob, work: Work) -> Steps:
    """CANCEL JOB; says so where the job had ended."""
    job = find_job(step.job, work)
    if isinstance(job, QueryStatus):
        check_may_stop(current_identity(), job)
        return (yield from _stop_query(job, work))
    check_role(current_identity(), Role.WRITER, "CANCEL JOB of a training")
    if not job.state.ended:
        job = work.services.trainer.cancel_job(job.id)
        if job.state is JobState.CANCELLED:
            yield Notice(f"RESUME JOB {shorten(job.id)} goes on with it from its last checkpoint.")
            return Outcome(message=SUCCESS)
    yield Notice(f"Job {shorten(job.id)} had ended: {job.state.value}.", Severity.WARNING)
    return Outcome(message=SUCCESS)


def _stop_query(query: QueryStatus, work: Work) -> Steps:
    if query.state.ended:
        yield Notice(f"Statement {shorten(query.id)} had ended: {query.state.value}.", Severity.WARNING)
    elif not work.queries.stop_query(query.id, by=work.query_id):
        yield Notice(f"Statement {shorten(query.id)} is told to stop, and has not ended yet.", Severity.WARNING)
    elif query.job:
        yield Notice(f"RESUME JOB {shorten(query.job)} goes on with its training from the last checkpoint.")
    elif query.model:
        yield Notice("Transcripts that were done are kept, unless it said cache=False: run it again to go on.")
    return Outcome(message=SUCCESS)


def take_up_job(step: TakeUpJob, work: Work) -> Steps:
    """RESUME JOB: the events of the job from now on, of one that runs also what it has told before; then its row.

    Raises:
        DataError: it has succeeded, or what it needs is not kept any more, or it is no training.
    """
    trainer = work.services.trainer
    job = find_job(step.job, work)
    if isinstance(job, QueryStatus) and job.job:
        job = work.services.catalog.get_job(job.job)
    if isinstance(job, QueryStatus):
        message, hint = _why_not_resumed(job, shorten(job.id))
        raise work.source.error(DataError, message, step.job.at, hint)
    known = {each.id: each for each in trainer.get_job_progress([job.id])}
    if not job.state.ended:
        yield Notice(f"Job {shorten(job.id)} is {job.state.value}; it is followed.")
    try:
        trainer.resume_job(job.id)
    except DataError as error:
        raise work.source.placed(error, step.job.at) from error
    told = known[job.id].next_event if job.id in known else 0
    # What an ended attempt said is of no interest any more; of one that runs, the curves begin at its beginning.
    result = yield from follow_job(job.id, work, told if job.state.ended else 0, past=told)
    yield result_rows(result)
    return Outcome(1, version=result.version)


def _why_not_resumed(query: QueryStatus, id: str) -> tuple[str, str]:
    """Message and hint for a statement that is no training."""
    if not query.state.ended:
        return f"the statement {id} runs, and is no training", f"Take it up with session.attach('{id}')."
    again = "Run it again: PREDICT goes on from the transcripts that it has kept."
    hint = again if query.state is not JobState.SUCCEEDED else f"Its result is read with session.attach('{id}')."
    return f"the statement {id} has {_ENDED[query.state]}, and is no training that could be resumed", hint


_ENDED = {JobState.SUCCEEDED: "succeeded", JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}


def _progress(jobs: Sequence[Job], work: Work) -> Generator[Notice, None, dict[str, JobProgress]]:
    """How far jobs are, by id; a notice where the trainer cannot be asked."""
    try:
        return {each.id: each for each in work.services.trainer.get_job_progress([job.id for job in jobs])}
    except (Unavailable, TimedOut) as error:
        yield Notice(f"How far the jobs are is not shown: {error.message}", Severity.WARNING)
        return {}
