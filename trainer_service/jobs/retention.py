"""Decides how long a job that ended can still be resumed: what it needs for that takes room on the disk.

A job that succeeded needs neither its rows nor the state of its training any more; both go at its end. Those of a job
that failed or was cancelled are kept, so that RESUME JOB goes on from its last checkpoint, for `keep_days` days
after its end; of those that have checkpoints, which are large, only the newest `keep_jobs`. The trainer looks at each
end of a job, and when it starts. What happened in a job (its events, its log, its curves) is kept for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from thanosql.types import Job, JobState


def choose_expired(
    jobs: Iterable[Job], with_checkpoint: Collection[str], now: datetime, *, keep_days: float, keep_jobs: int
) -> tuple[str, ...]:
    """Ids of the jobs that can no longer be resumed.

    Args:
        jobs: All that the catalog knows.
        with_checkpoint: Ids of those that have a checkpoint.
        now: The present moment.
        keep_days: How long a job can be resumed after its end.
        keep_jobs: How many that have a checkpoint can be, the newest ones.
    """
    expired, kept = [], 0
    for job in sorted(jobs, key=lambda each: each.updated_at, reverse=True):
        if not job.state.ended:
            continue
        is_old = now - job.updated_at > timedelta(days=keep_days)
        is_one_too_many = job.id in with_checkpoint and kept >= keep_jobs
        if job.state is JobState.SUCCEEDED or is_old or is_one_too_many:
            expired.append(job.id)
        elif job.id in with_checkpoint:
            kept += 1
    return tuple(expired)
