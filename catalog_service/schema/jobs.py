"""The rows of the jobs: each method is one transaction around a decision of `catalog_service.jobs`."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog_service import jobs as rules
from catalog_service.schema.database import Database
from catalog_service.schema.definitions import jobs
from thanosql.types import Job, JobKind, JobSpec, JobState


class JobQueue:
    """The jobs of all workspaces that wait for a trainer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, owner: str, lease_seconds: float, now: datetime) -> Job | None:
        """Hands the oldest job that waits, or whose trainer has gone, to `owner`; None where there is none.

        Two trainers never get the same: the transaction is the only one that writes.
        """
        open_jobs = (
            sa.select(jobs)
            .where(jobs.c.state.in_([JobState.QUEUED.value, JobState.RUNNING.value]))
            .order_by(jobs.c.number)
        )
        with self._database.write() as connection:
            candidates = (_job(row._mapping) for row in connection.execute(open_jobs).all())
            job = next((each for each in candidates if rules.is_claimable(each, now)), None)
            return None if job is None else _save(connection, rules.claim(job, owner, lease_seconds, now))

    def keep_leases(self, now: datetime) -> None:
        """Mends the leases that a clock which went back while no catalog ran would make endless."""
        running = sa.select(jobs).where(jobs.c.state == JobState.RUNNING.value)
        with self._database.write() as connection:
            for row in connection.execute(running).all():
                job = _job(row._mapping)
                if (kept := rules.keep_lease(job, now)) != job:
                    _save(connection, kept)


class Jobs:
    """Every training and export job there was in a workspace."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database = database
        self._workspace = workspace

    def create(self, id: str, spec: JobSpec, now: datetime) -> Job:
        """Queues a job; the same job twice is one.

        Raises:
            NameTaken: another job has the id.
        """
        with self._database.write() as connection:
            existing = _find(connection, self._workspace, id)
            job = replace(rules.create(id, spec, existing, now), workspace=self._workspace)
            if existing is None:
                connection.execute(sa.insert(jobs).values(_values(job)))
            return job

    def get(self, id: str) -> Job:
        """A job by its id.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            return self._get(connection, id)

    def newest_first(self) -> tuple[Job, ...]:
        """Every job."""
        with self._database.read() as connection:
            of_workspace = sa.select(jobs).where(jobs.c.workspace == self._workspace)
            rows = connection.execute(of_workspace.order_by(jobs.c.number.desc()))
            return tuple(_job(row._mapping) for row in rows)

    def renew(self, id: str, owner: str, lease_seconds: float, now: datetime) -> Job:
        """Lets `owner` hold its job for longer.

        Raises:
            LeaseLost: the job has ended, or another trainer holds it.
        """
        with self._database.write() as connection:
            return _save(connection, rules.renew(self._get(connection, id), owner, lease_seconds, now))

    def finish(self, id: str, state: JobState, error: str, now: datetime) -> Job:
        """Ends a job; one that has ended stays as it is."""
        with self._database.write() as connection:
            return _save(connection, rules.finish(self._get(connection, id), state, error, now))

    def resume(self, id: str, now: datetime) -> Job:
        """Queues a failed or cancelled job again; one that waits or runs stays as it is.

        Raises:
            DataError: it has succeeded.
        """
        with self._database.write() as connection:
            return _save(connection, rules.resume(self._get(connection, id), now))

    def _get(self, connection: sa.Connection, id: str) -> Job:
        job = _find(connection, self._workspace, id)
        if job is None:
            of_workspace = sa.select(jobs.c.id).where(jobs.c.workspace == self._workspace)
            raise rules.unknown(id, connection.scalars(of_workspace.order_by(jobs.c.number.desc()).limit(3)))
        return job


def _find(connection: sa.Connection, workspace: str, id: str) -> Job | None:
    row = connection.execute(sa.select(jobs).where(jobs.c.workspace == workspace, jobs.c.id == id)).one_or_none()
    return None if row is None else _job(row._mapping)


def _save(connection: sa.Connection, job: Job) -> Job:
    same = sa.and_(jobs.c.workspace == job.workspace, jobs.c.id == job.id)
    connection.execute(sa.update(jobs).where(same).values(_values(job)))
    return job


def _values(job: Job) -> dict[str, Any]:
    return asdict(job) | {"state": job.state.value}


def _job(row: Any) -> Job:
    values = {name: value for name, value in row.items() if name != "number"}
    spec = JobSpec(**{**values["spec"], "kind": JobKind(values["spec"]["kind"])})
    return Job(**{**values, "spec": spec, "state": JobState(values["state"])})
