"""One job, from its claim to what its child process made: taken up where it was left, begun again when it is killed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from thanosql.clients import CatalogClient
from thanosql.errors import JobFailed, ThanoSQLError
from thanosql.modelstore import delete_version, version_folder
from thanosql.rpc.spans import current_traceparent
from thanosql.types import Job, JobKind, Notice, Progress, Severity
from trainer_service.config import TrainerConfig
from trainer_service.jobs.attempts import (
    ATTEMPTS,
    Attempts,
    Reached,
    find_exit_code,
    give_up,
    is_killed,
    lose,
    say_where_it_goes_on,
)
from trainer_service.jobs.child import Child
from trainer_service.jobs.job_events import Told
from trainer_service.jobs.job_folder import JobFolder
from trainer_service.jobs.jobs import LogLine, Product, Task, explain_disk, explain_end, is_disk_full
from trainer_service.jobs.patience import insist
from trainer_service.jobs.tasks import Tasks
from trainer_service.monitoring import JobUnderWay

log = logging.getLogger(__name__)


class JobRun:
    """Carries out one claimed job, in the worker's thread; `stop` comes from any other.

    Args:
        config: Of the service.
        catalog: Knows the job.
        tasks: Says what a child process is to do.
        job: As it was claimed.
        notify: Called when the job has an event more.
    """

    def __init__(
        self, config: TrainerConfig, catalog: CatalogClient, tasks: Tasks, job: Job, notify: Callable[[], None]
    ) -> None:
        config = config.of(job.workspace)
        self.job, self.folder = job, JobFolder(config.jobs, job.id)
        self.told = Told()
        self._config, self._catalog, self._tasks, self._notify = config, catalog, tasks, notify
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._progress: Progress | None = None
        self._training: Progress | None = None
        self.is_stopped = False
        """On request: the job was cancelled or is somebody else's, or the trainer stops."""

    def stop(self) -> None:
        """Ends the child process, within a second, and begins no other. The job stays as the catalog knows it."""
        with self._lock:
            self.is_stopped = True
            child = self._child
        if child is not None:
            child.stop()

    @property
    def under_way(self) -> JobUnderWay:
        """How far it is, for who watches from outside."""
        child = self._child
        return JobUnderWay(self.job.spec.kind, self._progress, self._training, child.pid if child else 0)

    def make_product(self) -> Product | None:
        """Runs child processes until one has made what the job is to make; None where the job was stopped.

        Raises:
            ThanoSQLError: what the child found wrong.
            JobFailed: it was killed too often.
        """
        job, folder = self.job, self.folder
        made = folder.read_product()
        if made is not None and version_folder(self._config.models, made.result.model, made.result.version).exists():
            return made  # the trainer that made it went away before the catalog was told
        attempts = self._take_up()
        if job.spec.kind is not JobKind.EXPORT and not folder.rows.exists():
            raise JobFailed(
                f"the rows of job {job.id} are not in this trainer's folder {folder.path.parent}",
                hint="Were they removed, or does the job belong to a trainer with another state folder? "
                "Run its statement again.",
            )
        task = self._tasks.make(job, folder, lambda: self.is_stopped)
        product: Product | None = None
        try:
            while product is None and not self.is_stopped:
                delete_version(self._config.models, job.spec.model, task.version)
                product = self._run_child(task, attempts)
                attempts = folder.read_attempts() or attempts
        finally:
            if product is None:
                delete_version(self._config.models, job.spec.model, task.version)
        return product

    def _take_up(self) -> Attempts:
        """The attempts that are left, and a notice where this is not the first.

        Raises:
            JobFailed: the trainer went down too often while it worked on this job.
        """
        job, folder = self.job, self.folder
        folder.drop_failure()
        self.told = folder.events.sum_up()
        known, checkpoint = folder.read_attempts(), folder.read_checkpoint()
        if job.attempts == 1:  # new, or resumed by its user
            attempts = Attempts()
            why, severity = "The job is resumed.", Severity.INFO
        elif known is not None and not known.is_running:
            attempts = known
            why, severity = "The trainer was stopped, and is back.", Severity.INFO
        else:
            # It went away without a word: killed, or with the whole machine.
            before = known or Attempts(lost=job.attempts - 2)
            attempts = lose(before, Reached(checkpoint, len(self.told.phases)))
            why, severity = f"The trainer had gone away ({attempts.lost} of {ATTEMPTS}).", Severity.WARNING
        folder.write_attempts(attempts)
        if attempts.are_used_up:
            raise give_up(
                JobFailed(
                    "the trainer went down while it worked on this job",
                    hint=f"Its log says more: {folder.log}. Does the machine run out of memory?",
                )
            )
        if job.attempts > 1 or known is not None:
            self._say(Notice(f"{why} {say_where_it_goes_on(checkpoint, self.told.steps)}", severity))
        return attempts

    def _run_child(self, task: Task, attempts: Attempts) -> Product | None:
        """Runs a child process to its end; None where it was stopped, or killed and may be begun again.

        Raises:
            ThanoSQLError: what it told, or why it ended without a word.
        """
        if self._is_over():  # cancelled while the base model was looked for
            return None
        self.folder.write_attempts(replace(attempts, is_running=True))
        with self._lock:
            if self.is_stopped:
                return None
            told = replace(
                task,
                killed_again=attempts.repeats,
                otlp_endpoint=self._config.otlp_endpoint,
                traceparent=current_traceparent(),
            )
            child = self._child = Child(told, self.folder.log)
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
                elif isinstance(message, LogLine):
                    _log_for_child(message, child.pid)
                else:
                    phase = getattr(message, "phase", phase)
                    self._say(message)
            code = find_exit_code(child.wait(), child.last_words)
        finally:
            with self._lock:
                self._child = None
            child.stop()
        with suppress(OSError):  # the disk is full; at worst this counts as a process that was lost
            self.folder.write_attempts(attempts)
        if self._is_over():
            return None
        if failure is not None:
            raise failure
        if product is None:
            self._judge(code, list(child.last_words), phase, attempts)
        return product

    def _judge(self, code: int, last_words: list[str], phase: str, attempts: Attempts) -> None:
        """Returns where a child that ended without a word shall have a successor."""
        failure = explain_end(code, last_words, phase)
        if is_disk_full("\n".join(last_words[-3:])):
            raise explain_disk(last_words[-1])
        if not is_killed(code):  # by an error of its own, which would come again
            raise failure
        checkpoint = self.folder.read_checkpoint()
        left = lose(attempts, Reached(checkpoint, len(self.told.phases)))
        self.folder.write_attempts(left)
        if left.are_used_up:
            raise give_up(failure)
        where = say_where_it_goes_on(checkpoint, self.told.steps)
        if left.repeats and self.job.spec.kind is not JobKind.EXPORT:
            where += " It takes half as much audio at once from now on."
        what = f"{failure.message[0].upper()}{failure.message[1:]} ({left.lost} of {ATTEMPTS})"
        log.warning("job %s: %s; %s", self.job.id, failure.message, where)
        self._say(Notice(f"{what}. {where}", Severity.WARNING))

    def _say(self, message: Progress | Notice) -> None:
        if isinstance(message, Progress):
            self._progress = message
            self._training = message if message.unit == "steps" else self._training
        self.folder.events.append(message)
        self.told = self.told.with_event(message)
        self._notify()

    def _is_over(self) -> bool:
        if not self.is_stopped:
            job = insist(lambda: self._catalog.get_job(self.job.id), lambda: self.is_stopped)
            self.is_stopped = self.is_stopped or job.state.ended
        return self.is_stopped


def _log_for_child(line: LogLine, pid: int) -> None:
    """Puts what a child process has logged into this process's log: where that goes, and with the ids of the job."""
    logging.getLogger(line.logger).log(line.level, "process %d: %s", pid, line.text)
