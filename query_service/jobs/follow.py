"""Jobs of trainer_service, followed to their end: a BUILD, or a model that is made ready when it is first used."""

from __future__ import annotations

import threading
from collections.abc import Generator

from query_service.jobs.submitting import submit_once
from query_service.planning.steps import MakeReady
from query_service.running.progress import Pacer
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from thanosql.errors import JobFailed, Unavailable
from thanosql.types import JobKind, JobResult, JobSpec, ModelState, Notice, Progress, Severity

_PAUSE = 1.0
"""Seconds between two tries to reach a trainer that went away."""

SHOWN = 8
"""Characters of a job's id that are shown: enough to tell it from others."""

MOST_PAST = 120
"""Moments of a training's past that are told to who takes it up: enough for its curves."""
_BREATH = 0.005
"""Seconds after one, for the reader: a progress that nobody has taken is replaced by the next."""

_EXPORTING = threading.Lock()
"""One export at a time, so that two PREDICTs with a model that both find unexported make one version of it."""


def shorten(job_id: str) -> str:
    """A job's id as it is shown."""
    return job_id[:SHOWN]


def follow_job(
    job_id: str, work: Work, next_event: int = 0, *, past: int = 0, is_aside: bool = False
) -> Generator[Progress | Notice, None, JobResult]:
    """What happens in a job from event `next_event` on, as it happens; returns its result.

    LIST JOBS shows the job in place of the statement that follows it, unless the job `is_aside`: one of several
    things that the statement does. A trainer that goes away is waited for: the job goes on from its last checkpoint
    when it is back. A query that is cancelled stops the job. The events before number `past` come at once and not as
    they happen; of the progress among them about `MOST_PAST` moments are told, and every evaluation.

    Raises:
        JobFailed, Cancelled: how the job ended, where it did not succeed.
        Unavailable: the trainer stayed away for longer than `trainer_patience`.
    """
    if not is_aside:
        work.queries.tell(work.query_id, job=job_id)
    away_since: float | None = None
    pacer = Pacer()
    stride, wer = -(-past // MOST_PAST) or 1, -1.0
    ended = False
    try:
        while True:
            try:
                for event in work.services.trainer.watch_job(job_id, next_event):
                    next_event, away_since = event.number + 1, None
                    if isinstance(event.event, JobResult):
                        ended = True
                        return event.event
                    if event.number < past and isinstance(event.event, Progress):
                        now = event.event.figures.get("wer", wer)
                        if event.number % stride == 0 or now != wer:
                            wer = now
                            yield event.event
                            work.cancellation.wait(_BREATH)
                    elif isinstance(event.event, Notice) or pacer.lets_through(event.event, work.clock()):
                        yield event.event
                raise JobFailed(f"the job {job_id} ended without a result", hint="The log of trainer_service says why.")
            except Unavailable as error:
                work.cancellation.check()
                if away_since is None:
                    away_since = work.clock()
                    yield Notice(
                        f"trainer_service is away; waiting for it, {work.config.trainer_patience:g} seconds at most.",
                        Severity.WARNING,
                    )
                elif work.clock() - away_since > work.config.trainer_patience:
                    raise Unavailable(
                        error.message,
                        hint="The training goes on by itself when trainer_service is back; "
                        f"RESUME JOB {shorten(job_id)} follows it then.",
                    ) from error
                work.cancellation.wait(_PAUSE)
    except JobFailed:
        ended = True
        raise
    finally:
        if not ended and work.cancellation.is_set and work.cancellation.stops_jobs:
            with work.cleanup(f"job {job_id} could not be stopped") as services:
                services.trainer.cancel_job(job_id)


def make_ready(step: MakeReady, work: Work) -> Steps:
    """Makes a registered model ready, from its base; leaves its version."""
    while not _EXPORTING.acquire(timeout=0.2):
        work.cancellation.check()
    try:
        model = work.services.catalog.get_model(step.model.text)
        if model.state is ModelState.READY:  # another query was first
            return Outcome(message=SUCCESS, version=model.version)
        base = work.services.trainer.resolve_base_model(step.base)
        if base.fallback_notice:
            yield Notice(base.fallback_notice, Severity.WARNING)
        yield Notice(f"{step.model} is used for the first time: it is made ready from {base.checkpoint}.")
        spec = JobSpec(JobKind.EXPORT, model=step.model.text, base=step.base)
        job = yield from submit_once(spec, (), work)
        result = yield from follow_job(job.id, work, is_aside=True)
        return Outcome(message=SUCCESS, version=result.version)
    finally:
        _EXPORTING.release()
