"""Works through the catalog's jobs, one at a time: claims, carries out, ends; cancels and resumes on request."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress

from thanosql.clients import CatalogClient
from thanosql.errors import LeaseLost, ThanoSQLError, TimedOut, Unavailable
from thanosql.rpc.identity import working_for
from thanosql.rpc.spans import Value, span
from thanosql.rpc.telemetry import find_tracing
from thanosql.types import Job, JobState
from trainer_service.bases.base_models import BaseModels
from trainer_service.config import TrainerConfig
from trainer_service.jobs.endings import Endings
from trainer_service.jobs.job_run import JobRun
from trainer_service.jobs.lease import renewing_lease
from trainer_service.jobs.origin import working_for_origin
from trainer_service.jobs.tasks import Tasks
from trainer_service.monitoring import JobFigures, JobUnderWay

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks for work, where nobody calls for one."""
STOP_SECONDS = 10.0
"""For so long a job that is resumed waits for the end of its cancelled process."""


class Worker:
    """A thread that works on jobs, while the servicer adds, watches, cancels and resumes them.

    Args:
        config: Of the service.
        catalog: Knows the jobs and takes the models.
        bases: Resolves base models.
    """

    def __init__(self, config: TrainerConfig, catalog: CatalogClient, bases: BaseModels) -> None:
        self._config, self._catalog = config, catalog
        self._tasks = Tasks(config, catalog, bases)
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._endings = Endings(config, catalog, self._owner, lambda: self._stopping)
        self._stopping = False
        self._wake = threading.Event()
        self._run: JobRun | None = None
        self.changed = threading.Condition()
        """Notified when a job has an event more, or has ended."""
        self._thread = threading.Thread(target=self._look_for_jobs, name="trainer-worker", daemon=True)

    def start(self) -> None:
        """Begins to look for jobs."""
        self._thread.start()

    def works_on(self, job_id: str) -> bool:
        """Whether this job is under way here."""
        run = self._run
        return run is not None and run.job.id == job_id

    @property
    def figures(self) -> JobFigures:
        """How jobs have ended here."""
        return self._endings.figures

    def look(self) -> JobUnderWay | None:
        """The job under way, for who watches from outside; None: there is none."""
        run = self._run
        return None if run is None else run.under_way

    def wake(self) -> None:
        """There is a new job."""
        self._wake.set()

    def stop(self) -> None:
        """Stops; a job under way is left to whoever starts next."""
        self._stopping = True
        self._wake.set()
        self._stop_run(lambda _: True)
        self._thread.join()

    def cancel(self, job_id: str) -> Job:
        """Cancels a job; gives it as it is then. One that has ended stays as it is.

        Raises:
            NotFound: there is no such job.
        """
        job = self._endings.cancel(job_id)
        if job.state is JobState.CANCELLED:
            self._stop_run(lambda running: (running.workspace, running.id) == (job.workspace, job.id))
        self._notify()
        return job

    def resume(self, job_id: str) -> Job:
        """Queues a job that failed or was cancelled again; gives it as it is then.

        Raises:
            NotFound: there is no such job.
            DataError: it has succeeded, or what it needs is not kept any more.
        """
        if self._catalog.get_job(job_id).state.ended:
            with self.changed:  # its cancelled process may be writing its last checkpoint
                self.changed.wait_for(lambda: not self.works_on(job_id), STOP_SECONDS)
        job = self._endings.resume(job_id)
        self.wake()
        return job

    def _look_for_jobs(self) -> None:
        reachable = True
        self._endings.drop_expired()
        while not self._stopping:
            try:
                job = self._catalog.claim_job(self._owner, self._config.lease_seconds)
                if not reachable:
                    log.info("the catalog answers again")
                reachable = True
                if job is not None:
                    self._work(job)
                    continue
            except (Unavailable, TimedOut) as error:
                if reachable:
                    log.warning("looking for jobs: %s; trying again until it answers", error.message)
                reachable = False
            except ThanoSQLError as error:
                log.error("looking for jobs: %s", error)
            except Exception:
                log.exception("looking for jobs failed; going on")
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()

    def _work(self, job: Job) -> None:
        """Carries out one claimed job, whatever comes of it, on behalf of the request that queued it."""
        with working_for(job.workspace):
            run = self._run = JobRun(self._config, self._catalog, self._tasks, job, self._notify)
            with working_for_origin(run.folder.path, find_tracing(self._config)):
                self._carry_out(job, run)
        if not self._stopping:
            self._endings.drop_expired()

    def _carry_out(self, job: Job, run: JobRun) -> None:
        log.info("job %s begins: %s of %s, attempt %d", job.id, job.spec.kind.value, job.spec.model, job.attempts)
        attributes: dict[str, Value] = {
            "thanosql.job_id": job.id,
            "thanosql.job.kind": job.spec.kind.value,
            "thanosql.job.attempt": job.attempts,
            "thanosql.model": job.spec.model,
        }
        try:
            run.folder.path.mkdir(parents=True, exist_ok=True)
            holding = renewing_lease(self._catalog, job.id, self._owner, self._config.lease_seconds, run.stop)
            with span("job", attributes), holding:
                if self._stopping:
                    run.stop()
                elif not self._endings.end_if_exported(job):
                    product = run.make_product()
                    if product is not None:
                        self._endings.succeed(job, run.folder, product)
        except LeaseLost as error:
            log.warning("job %s is left: %s", job.id, error.message)
        except Exception as error:
            self._endings.fail(job, run.folder, error)
        finally:
            if self._stopping:
                with suppress(ThanoSQLError):  # let go of it, so that it is taken up at once; it may have ended
                    self._catalog.renew_job_lease(job.id, self._owner, 0.001)
            self._run = None
            self._notify()

    def _stop_run(self, concerns: Callable[[Job], bool]) -> None:
        run = self._run
        if run is not None and concerns(run.job):
            run.stop()

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()
