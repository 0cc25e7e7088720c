"""How jobs end: registered, failed, cancelled; whether they can be resumed then, and for how long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from thanosql.clients import CatalogClient
from thanosql.errors import DataError, JobFailed, ThanoSQLError, UnknownModel
from thanosql.modelstore import delete_version
from thanosql.rpc.identity import working_for
from thanosql.types import Job, JobKind, JobState, Model, ModelState
from trainer_service.config import TrainerConfig
from trainer_service.jobs.job_folder import JobFolder, remove_unfinished
from trainer_service.jobs.jobs import Product, explain_disk, is_disk_full
from trainer_service.jobs.origin import note_origin
from trainer_service.jobs.patience import insist
from trainer_service.jobs.retention import choose_expired
from trainer_service.monitoring import JobFigures

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 3_600.0
"""After which the folder of a job that the catalog does not know is removed; until then it may be about to be told."""


class Endings:
    """Ends jobs in the catalog and on the disk, so that the two agree whatever happens between.

    One at a time: a job is not cancelled between its product and the registration of its model, and what it needs to
    go on is not removed while it is resumed.

    Args:
        config: Of the service.
        catalog: Knows the jobs and takes the models.
        owner: By whom the catalog knows this trainer.
        is_stopping: Whether the service stops, and does not wait for a catalog that is away.
    """

    def __init__(
        self, config: TrainerConfig, catalog: CatalogClient, owner: str, is_stopping: Callable[[], bool]
    ) -> None:
        self._config, self._catalog, self._owner, self._is_stopping = config, catalog, owner, is_stopping
        self._lock = threading.Lock()
        self.figures = JobFigures()

    def succeed(self, job: Job, folder: JobFolder, product: Product) -> None:
        """Registers what was made and ends the job, unless it was cancelled meanwhile."""
        result = product.result
        with self._lock:
            now = insist(lambda: self._catalog.get_job(job.id), self._is_stopping)
            if now.state is not JobState.RUNNING or now.owner != self._owner:
                folder.drop_product()
                delete_version(self._config.of(job.workspace).models, job.spec.model, result.version)
                return
            # First on the disk: a trainer that goes away before the catalog knows all leaves it to the next one.
            folder.write_product(product)
            base = folder.read_base()
            model = Model(
                result.model,
                result.version,
                base.name if base else job.spec.base,
                product.base,
                ModelState.READY,
                result.wer,
                result.cer,
                report=product.report,
            )
            insist(lambda: self._catalog.register_model(model), self._is_stopping)
            insist(lambda: self._catalog.finish_job(job.id, JobState.SUCCEEDED), self._is_stopping)
        self.figures.count(job.spec.kind, JobState.SUCCEEDED)
        folder.drop_rows_and_state()
        log.info("job %s succeeded: %s version %d", job.id, result.model, result.version)

    def fail(self, job: Job, folder: JobFolder, error: Exception) -> None:
        """Ends a job that cannot be done, and keeps why."""
        if isinstance(error, ThanoSQLError):
            failure = error
            log.warning("job %s failed: %s", job.id, error)
        elif isinstance(error, OSError) and is_disk_full(str(error)):
            failure = explain_disk(str(error))
            log.warning("job %s failed: %s", job.id, failure)
        else:
            log.exception("job %s failed", job.id, exc_info=error)
            failure = JobFailed("the job failed by a fault of the trainer", hint="The trainer's log says more.")
        checkpoint = folder.read_checkpoint()
        if checkpoint is not None:
            goes_on = f"RESUME JOB {job.id[:8]} goes on from its last checkpoint, once that is mended."
            failure.hint = f"{failure.hint}\n{goes_on}" if failure.hint else goes_on
        with suppress(OSError):  # the catalog keeps the message too
            folder.write_failure(failure)
        self._finish(job, JobState.FAILED, str(failure))

    def cancel(self, job_id: str) -> Job:
        """Ends a job as cancelled; one that has ended stays as it is.

        Raises:
            NotFound: there is no such job.
        """
        with self._lock:
            before = self._catalog.get_job(job_id)
            job = self._catalog.finish_job(job_id, JobState.CANCELLED)
            if not before.state.ended and job.state is JobState.CANCELLED:
                self.figures.count(job.spec.kind, JobState.CANCELLED)
            return job

    def resume(self, job_id: str) -> Job:
        """Queues a job that failed or was cancelled again.

        Raises:
            NotFound: there is no such job.
            DataError: it has succeeded, or what it needs is not kept any more.
        """
        with self._lock:
            job = self._catalog.get_job(job_id)
            if job.state in (JobState.FAILED, JobState.CANCELLED) and not self.can_go_on(job):
                days, jobs = self._config.keep_days, self._config.keep_jobs
                raise DataError(
                    f"job {job_id} cannot be resumed: its rows and checkpoints are not kept here any more",
                    hint=f"They are kept for {days:g} days, and for the newest {jobs} jobs that have checkpoints. "
                    f"Run its statement again: {job.spec.statement}".rstrip(": "),
                )
            if job.state.ended:
                note_origin(JobFolder(self._config.of(job.workspace).jobs, job_id).path)
            return self._catalog.resume_job(job_id)

    def can_go_on(self, job: Job) -> bool:
        """Whether this trainer has what the job needs to be begun or taken up again."""
        return job.spec.kind is JobKind.EXPORT or JobFolder(self._config.of(job.workspace).jobs, job.id).rows.exists()

    def end_if_exported(self, job: Job) -> bool:
        """Ends an export whose model another job has made ready meanwhile; whether it was one."""
        if job.spec.kind is not JobKind.EXPORT or job.spec.new_version:
            return False
        with suppress(UnknownModel):
            if self._catalog.get_model(job.spec.model).state is ModelState.READY:
                self._finish(job, JobState.SUCCEEDED)
                return True
        return False

    def drop_expired(self) -> None:
        """Removes what jobs that can no longer be resumed have kept; see `trainer_service.jobs.retention`."""
        for workspace in self._config.list_workspaces():
            with working_for(workspace):
                self._drop_expired_in(self._config.of(workspace))

    def _drop_expired_in(self, config: TrainerConfig) -> None:
        try:
            remove_unfinished(config.jobs)
            folders = [JobFolder(config.jobs, path.name) for path in config.jobs.glob("[!.]*") if path.is_dir()]
            held = {folder.path.name: folder for folder in folders if folder.rows.exists() or folder.state.exists()}
            if not held:
                return
            large = {name for name, folder in held.items() if folder.read_checkpoint()}
            with self._lock:
                every = self._catalog.list_jobs()
                for name in held.keys() - {job.id for job in every}:
                    if time.time() - held[name].path.stat().st_mtime > ORPHAN_SECONDS:
                        held[name].remove()
                        log.info("the catalog knows no job %s: its folder is removed", name)
                jobs = [job for job in every if job.id in held]
                now, days, most = datetime.now(UTC), config.keep_days, config.keep_jobs
                for name in choose_expired(jobs, large, now, keep_days=days, keep_jobs=most):
                    held[name].drop_rows_and_state()
                    log.info("job %s can no longer be resumed: its rows and checkpoints are removed", name)
        except (ThanoSQLError, OSError) as error:
            log.info("looking for jobs to forget: %s", error)

    def _finish(self, job: Job, state: JobState, error: str = "") -> None:
        try:
            insist(lambda: self._catalog.finish_job(job.id, state, error), self._is_stopping)
            self.figures.count(job.spec.kind, state)
        except ThanoSQLError as trouble:
            log.error("job %s: its end (%s) could not be recorded: %s", job.id, state.value, trouble)
