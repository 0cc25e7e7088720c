"""Works through the catalog's jobs, one at a time: claims, runs a child process, registers what it made."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from thanosql.clients import CatalogClient
from thanosql.errors import JobFailed, LeaseLost, ThanoSQLError, TimedOut, Unavailable, UnknownModel
from thanosql.modelstore import version_folder
from thanosql.types import Job, JobKind, JobState, Model, ModelState, Notice, Severity
from trainer_service.base_models import BaseModels
from trainer_service.child import Child
from trainer_service.config import TrainerConfig
from trainer_service.job_folder import JobFolder
from trainer_service.jobs import ATTEMPTS, Product, Task, explain_disk, explain_end, is_disk_full
from trainer_service.lease import renewing_lease

log = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 2.0
"""Between two looks for work, where nobody calls for one."""
CATALOG_SECONDS = 60.0
"""For so long a catalog that went away is waited for, at the end of a job."""


class Worker:
    """A thread that works on jobs, while the servicer adds, watches and cancels them.

    Args:
        config: Of the service.
        catalog: Knows the jobs and takes the models.
        bases: Resolves base models.
    """

    def __init__(self, config: TrainerConfig, catalog: CatalogClient, bases: BaseModels) -> None:
        self._config, self._catalog, self._bases = config, catalog, bases
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._stopping = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._child: Child | None = None
        self._lost = False
        self.changed = threading.Condition()
        """Notified when a job has an event more, or has ended."""
        self._thread = threading.Thread(target=self._run, name="trainer-worker", daemon=True)

    def start(self) -> None:
        """Begins to look for jobs."""
        self._thread.start()

    @property
    def job(self) -> Job | None:
        """The job that is under way."""
        return self._job

    def works_on(self, job_id: str) -> bool:
        """Whether this job is under way here."""
        job = self._job
        return job is not None and job.id == job_id

    def wake(self) -> None:
        """There is a new job."""
        self._wake.set()

    def stop(self) -> None:
        """Stops; a job under way is left to whoever starts next."""
        self._stopping = True
        self._wake.set()
        self._stop_child(lambda _: True)
        self._thread.join()

    def cancel(self, job_id: str) -> Job:
        """Cancels a job; gives it as it is then. One that has ended stays as it is.

        Raises:
            NotFound: there is no such job.
        """
        self._catalog.get_job(job_id)
        with self._lock:  # between a product and its registration there is no cancelling
            job = self._catalog.finish_job(job_id, JobState.CANCELLED)
        self._stop_child(lambda running: running.id == job_id)
        self._notify()
        return job

    def _run(self) -> None:
        reachable = True
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
        """Carries out one claimed job, whatever comes of it."""
        folder = JobFolder(self._config.jobs, job.id)
        log.info("job %s begins: %s of %s, attempt %d", job.id, job.spec.kind.value, job.spec.model, job.attempts)
        with self._lock:
            self._job, self._lost = job, False
        try:
            with renewing_lease(self._catalog, job.id, self._owner, self._config.lease_seconds, self._lose):
                self._attempt(job, folder)
        except LeaseLost as error:
            log.warning("job %s is left: %s", job.id, error.message)
        except Exception as error:
            self._fail(job, folder, error)
        finally:
            if self._stopping:
                with suppress(ThanoSQLError):  # let go of it, so that it is taken up at once; it may have ended
                    self._catalog.renew_job_lease(job.id, self._owner, 0.001)
            with self._lock:
                self._job = None
            self._notify()

    def _attempt(self, job: Job, folder: JobFolder) -> None:
        folder.path.mkdir(parents=True, exist_ok=True)
        product = folder.read_product()
        if product is None:
            if job.attempts > ATTEMPTS:
                raise JobFailed(
                    f"the trainer went down {ATTEMPTS} times while it worked on this job, so it is given up",
                    hint=f"Its log says more: {folder.log}. Does the machine run out of memory?",
                )
            if job.attempts > 1:
                text = f"The trainer had gone away; the job begins again (attempt {job.attempts} of {ATTEMPTS})."
                folder.append(Notice(text, Severity.WARNING))
            if job.spec.kind is JobKind.EXPORT and self._is_exported(job):
                self._finish(job, JobState.SUCCEEDED)
                return
            version = self._choose_version(job, folder)
            self._clean(job.spec.model, version)
            try:
                product = self._run_child(self._make_task(job, folder, version), folder)
            finally:
                if product is None:  # failed or stopped
                    self._clean(job.spec.model, version)
        if product is not None:
            self._settle(job, folder, product)

    def _make_task(self, job: Job, folder: JobFolder, version: int) -> Task:
        config = self._config
        folder.state.mkdir(exist_ok=True)
        return Task(
            job.id,
            job.spec,
            self._bases.resolve(job.spec.base),
            version,
            str(config.workspace.resolve()),
            str(config.models.resolve()),
            str(folder.rows.resolve()) if folder.rows.exists() else "",
            config.device,
            config.threads,
            config.max_seconds,
            str(folder.state.resolve()),
        )

    def _run_child(self, task: Task, folder: JobFolder) -> Product | None:
        """Runs the child process to its end; None where it was stopped on request."""
        if self._catalog_says_ended(task.job_id):  # cancelled while the base model was looked for
            return None
        with self._lock:
            if self._stopping or self._lost:
                return None
            child = self._child = Child(task, folder.log)
        log.info("job %s runs in process %d", task.job_id, child.pid)
        product: Product | None = None
        failure: ThanoSQLError | None = None
        phase = ""
        try:
            for message in child.messages():
                if isinstance(message, Product):
                    product = message
                elif isinstance(message, ThanoSQLError):
                    failure = message
                else:
                    phase = getattr(message, "phase", phase)
                    folder.append(message)
                    self._notify()
            code = child.wait()
        finally:
            with self._lock:
                self._child = None
            child.stop()
        if self._stopping or self._lost or self._catalog_says_ended(task.job_id):
            return None
        if failure is not None:
            raise failure
        if product is None:
            words = list(child.last_words)
            raise explain_disk(words[-1]) if is_disk_full("\n".join(words[-3:])) else explain_end(code, words, phase)
        return product

    def _settle(self, job: Job, folder: JobFolder, product: Product) -> None:
        """Registers what was made and ends the job, unless it was cancelled meanwhile."""
        result = product.result
        with self._lock:
            now = self._insist(lambda: self._catalog.get_job(job.id))
            if now.state is not JobState.RUNNING or now.owner != self._owner:
                self._clean(job.spec.model, result.version)
                return
            folder.write_product(product)
            model = Model(
                result.model,
                result.version,
                job.spec.base,
                product.base,
                ModelState.READY,
                result.wer,
                result.cer,
                report=product.report,
            )
            self._insist(lambda: self._catalog.register_model(model))
            self._insist(lambda: self._catalog.finish_job(job.id, JobState.SUCCEEDED))
        folder.drop_rows()
        folder.drop_state()
        log.info("job %s succeeded: %s version %d", job.id, result.model, result.version)

    def _fail(self, job: Job, folder: JobFolder, error: Exception) -> None:
        if isinstance(error, ThanoSQLError):
            failure = error
            log.warning("job %s failed: %s", job.id, error)
        elif isinstance(error, OSError) and is_disk_full(str(error)):
            failure = explain_disk(str(error))
            log.warning("job %s failed: %s", job.id, failure)
        else:
            log.exception("job %s failed", job.id)
            failure = JobFailed("the job failed by a fault of the trainer", hint="The trainer's log says more.")
        with suppress(OSError):  # the catalog keeps the message too
            folder.write_failure(failure)
            folder.drop_rows()
        self._finish(job, JobState.FAILED, str(failure))

    def _finish(self, job: Job, state: JobState, error: str = "") -> None:
        try:
            self._insist(lambda: self._catalog.finish_job(job.id, state, error))
        except ThanoSQLError as trouble:
            log.error("job %s: its end (%s) could not be recorded: %s", job.id, state.value, trouble)

    def _is_exported(self, job: Job) -> bool:
        """Whether another job has made the model ready meanwhile."""
        try:
            return self._catalog.get_model(job.spec.model).state is ModelState.READY
        except UnknownModel:
            return False

    def _choose_version(self, job: Job, folder: JobFolder) -> int:
        """The version to make: that of an earlier attempt, or of a model that waits for its export, or a new one."""
        version = folder.read_version()
        if not version and job.spec.kind is JobKind.EXPORT:
            with suppress(UnknownModel):
                version = self._catalog.get_model(job.spec.model).version
        version = version or self._catalog.reserve_model_version(job.spec.model)
        folder.write_version(version)
        return version

    def _catalog_says_ended(self, job_id: str) -> bool:
        return self._insist(lambda: self._catalog.get_job(job_id)).state.ended

    def _clean(self, model: str, version: int) -> None:
        """Removes what a child that was killed left in the model store."""
        folder = version_folder(self._config.models, model, version)
        for left in (*folder.parent.glob(f".{version}-*"), folder):
            shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):  # other versions live there
            folder.parent.rmdir()

    def _stop_child(self, concerns: Callable[[Job], bool]) -> None:
        with self._lock:
            child = self._child if self._job is not None and concerns(self._job) else None
        if child is not None:
            child.stop()

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _insist(self, call: Callable[[], T]) -> T:
        """Calls the catalog, again and again where it has gone away for a moment."""
        deadline = time.monotonic() + CATALOG_SECONDS
        while True:
            try:
                return call()
            except (Unavailable, TimedOut):
                if self._stopping or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _lose(self) -> None:
        """The job under way is not ours any more."""
        with self._lock:
            self._lost = True
        self._stop_child(lambda _: True)
