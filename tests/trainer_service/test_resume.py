"""Jobs that are killed, cancelled and taken up again, with real processes: only steps since a checkpoint are lost."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

import trainer_service.__main__ as trainer_main
from catalog_service import __main__ as catalog_main
from catalog_service.config import CatalogConfig
from thanosql.clients import CatalogClient, TrainerClient
from thanosql.errors import Cancelled, DataError, JobFailed, NotFound
from thanosql.modelstore import read_description, version_folder
from thanosql.rpc.channel import open_channel
from thanosql.types import (
    BaseModelSource,
    Job,
    JobEvent,
    JobKind,
    JobResult,
    JobSpec,
    JobState,
    Model,
    ModelState,
    Notice,
    Progress,
    Rows,
    Severity,
)
from trainer_service.config import TrainerConfig
from trainer_service.jobs.endings import Endings
from trainer_service.jobs.job_folder import JobFolder

SPEC = JobSpec(JobKind.BUILD, "m", "small", epochs=3, batch_size=4, eval_fraction=0.25, seed=5)
ENDLESS = replace(SPEC, epochs=9_999)

RowDicts = list[dict[str, str | None]]


@dataclass
class Services:
    """A catalog in this process, and clients of it and of a trainer."""

    catalog: CatalogClient
    trainer: TrainerClient
    config: TrainerConfig

    def train(self, spec: JobSpec, rows: RowDicts) -> Job:
        return self.trainer.submit_job(spec, [make_rows(rows)])

    def folder(self, job: Job) -> JobFolder:
        return JobFolder(self.config.jobs, job.id)

    def watch(self, job: Job, next_event: int = 0) -> Iterator[JobEvent]:
        return self.trainer.watch_job(job.id, next_event)


def make_rows(rows: RowDicts) -> Rows:
    table = pa.Table.from_pylist(rows)
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return Rows(stream.getvalue())


@pytest.fixture(scope="module")
def rows(checkout: Path) -> RowDicts:
    """The first rows of the tutorial's training table."""
    with (checkout / "tutorial_data/librispeech_data/librispeech_train.csv").open(encoding="utf-8") as file:
        return [dict(row) for row in csv.DictReader(file)][:12]


@pytest.fixture(scope="module")
def config(
    tmp_path_factory: pytest.TempPathFactory, checkout: Path, small_checkpoints: dict[str, Path]
) -> TrainerConfig:
    """A workspace with the tutorial's recordings, and a small base model in the folder `small`."""
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copytree(checkout / "tutorial_data", workspace / "tutorial_data")
    shutil.copytree(small_checkpoints["group"], workspace / "small")
    return TrainerConfig(
        port=0, workspace=workspace, state=workspace / ".thanosql", grace=0.2, lease_seconds=2.0, hub_timeout=0.5
    )


@contextmanager
def running_catalog(config: TrainerConfig) -> Iterator[TrainerConfig]:
    """The settings of a trainer of a new catalog."""
    catalog = catalog_main.start(CatalogConfig(port=0, workspace=config.workspace, state=config.state, grace=0.2))
    try:
        yield replace(config, catalog=catalog.address)
    finally:
        catalog.stop()


@contextmanager
def running_trainer(config: TrainerConfig) -> Iterator[Services]:
    """A trainer in this process, with the catalog that its settings name."""
    trainer = trainer_main.start(config)
    try:
        with open_channel(config.catalog) as first, open_channel(trainer.address) as second:
            yield Services(CatalogClient(first), TrainerClient(second), config)
    finally:
        trainer.stop()


@contextmanager
def trainer_process(config: TrainerConfig) -> Iterator[tuple[Services, subprocess.Popen[bytes]]]:
    """A trainer in a process of its own, which can be killed."""
    settings = ("workspace", "state", "catalog", "grace", "lease_seconds", "hub_timeout")
    arguments = [f"--{name.replace('_', '-')}={getattr(config, name)}" for name in settings]
    command = [sys.executable, "-m", "trainer_service", "--port=0", *arguments]
    log = config.state / f"trainer-{time.monotonic_ns()}.log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with log.open("wb") as output, subprocess.Popen(command, stderr=output, stdout=output, env=environment) as process:
        try:
            address = str(wait_for(lambda: find_address(log)))
            with open_channel(config.catalog) as first, open_channel(address) as second:
                yield Services(CatalogClient(first), TrainerClient(second), config), process
        finally:
            process.kill()


def find_address(log: Path) -> str:
    words = log.read_text("utf-8").split()
    return next((word.rstrip(",;.") for word in words if word.startswith("127.0.0.1:")), "")


def wait_for(find: Callable[[], object], seconds: float = 60.0) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = find()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def find_children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if "trainer_service.runner" in process.cmdline() and is_alive(process):
                found.append(process)
    return found


def find_ranks() -> list[psutil.Process]:
    """Those of the processes that train together, and not the one that has started them."""
    return [each for each in find_children() if "torch.distributed.run" not in each.cmdline()]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def find_child() -> psutil.Process | None:
    return next(iter(find_children()), None)


def kill_child(by: signal.Signals) -> None:
    child = wait_for(find_child)
    assert isinstance(child, psutil.Process)
    child.send_signal(by)


def notices(events: list[JobEvent], severity: Severity | None = None) -> list[str]:
    said = [event.event for event in events if isinstance(event.event, Notice)]
    return [notice.text for notice in said if severity in (None, notice.severity)]


def weights_of(config: TrainerConfig, model: str, version: int) -> str:
    file = version_folder(config.models, model, version) / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def follow_until(services: Services, job: Job, phase: str, next_event: int = 0) -> list[JobEvent]:
    """The events up to the first of a phase."""
    events = []
    for event in services.watch(job, next_event):
        events.append(event)
        if isinstance(event.event, Progress) and event.event.phase == phase:
            break
    return events


@pytest.fixture(scope="module")
def services(config: TrainerConfig) -> Iterator[Services]:
    with running_catalog(config) as with_catalog, running_trainer(with_catalog) as running:
        yield running


@pytest.mark.slow
def test_a_cancelled_job_is_resumed_from_its_checkpoint_and_seen_to_its_end(services: Services, rows: RowDicts) -> None:
    job = services.train(SPEC, rows)
    before = follow_until(services, job, "evaluate after epoch 2")
    began = time.monotonic()
    assert services.trainer.cancel_job(job.id).state is JobState.CANCELLED
    assert time.monotonic() - began < 1.5  # a second, and a busy machine
    assert find_child() is None
    with pytest.raises(Cancelled):
        list(services.watch(job))
    checkpoint = services.folder(job).read_checkpoint()
    assert checkpoint is not None
    assert checkpoint.step >= 3  # nine rows in batches of at most four: three steps an epoch
    (known,) = services.trainer.get_job_progress([job.id])
    assert known.resumable
    assert known.next_event >= len(before)

    assert services.trainer.resume_job(job.id).state is JobState.QUEUED
    events = list(services.watch(job, known.next_event))
    assert [event.number for event in events] == list(range(known.next_event, known.next_event + len(events)))
    assert notices(events)[0].startswith(
        f"The job is resumed. The job goes on from its checkpoint after step {checkpoint.step}"
    )
    steps = [event.event.done for event in events if isinstance(event.event, Progress) and event.event.unit == "steps"]
    assert min(steps, default=99) > checkpoint.step
    assert isinstance(events[-1].event, JobResult)
    finished = services.catalog.get_job(job.id)
    assert (finished.state, finished.attempts) == (JobState.SUCCEEDED, 1)
    # What it needed to go on is gone; what TensorBoard reads is not.
    folder = services.folder(job)
    assert not folder.state.exists()
    assert not folder.rows.exists()
    assert list((folder.path / "tensorboard").glob("events.*"))
    with pytest.raises(DataError, match="nothing to resume"):
        services.trainer.resume_job(job.id)


def test_a_resumed_job_does_not_end_as_it_ended_before(services: Services, rows: RowDicts) -> None:
    job = services.train(replace(ENDLESS, base="later"), rows)
    with pytest.raises(JobFailed, match="'later' does not exist"):
        list(services.watch(job))
    assert services.folder(job).rows.exists()
    shutil.copytree(services.config.workspace / "small", services.config.workspace / "later")
    services.trainer.resume_job(job.id)
    ended: list[BaseException] = []

    def watch() -> None:
        try:
            list(services.watch(job))
        except Exception as error:
            ended.append(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wait_for(find_child)
    assert watcher.is_alive()
    services.trainer.cancel_job(job.id)
    watcher.join(10)
    assert [type(error) for error in ended] == [Cancelled]
    assert services.folder(job).read_failure() is None


def test_a_job_that_waits_or_runs_is_resumed_by_leaving_it_alone(services: Services, rows: RowDicts) -> None:
    job = services.train(ENDLESS, rows)
    wait_for(find_child)
    resumed = services.trainer.resume_job(job.id)
    assert (resumed.state, resumed.attempts) == (JobState.RUNNING, 1)
    services.trainer.cancel_job(job.id)
    with pytest.raises(NotFound):
        services.trainer.resume_job("nothing")


def test_a_job_whose_rows_are_gone_cannot_be_resumed(services: Services, rows: RowDicts) -> None:
    job = services.train(replace(SPEC, base="nothing", statement="BUILD MODEL m …"), rows)
    with pytest.raises(JobFailed):
        list(services.watch(job))
    services.folder(job).drop_rows_and_state()
    with pytest.raises(DataError, match="rows and checkpoints are not kept") as caught:
        services.trainer.resume_job(job.id)
    assert "Run its statement again: BUILD MODEL m …" in caught.value.hint
    # Nor does a trainer without the rows train on none, whoever has queued the job.
    services.catalog.resume_job(job.id)
    with pytest.raises(JobFailed, match=f"the rows of job {job.id} are not in"):
        list(services.watch(job))


def test_jobs_go_one_at_a_time_first_come_first_served_and_are_told_their_place(
    services: Services, rows: RowDicts
) -> None:
    first = services.train(ENDLESS, rows)
    wait_for(find_child)
    second = services.train(replace(SPEC, base="nothing"), rows)
    third = services.train(replace(SPEC, base="nothing", model="n"), rows)
    for job, said in ((second, "one job is before this one (now: training of m)"), (third, "2 jobs are before")):
        place = next(iter(services.watch(job))).event
        assert isinstance(place, Notice)
        assert said in place.text
    time.sleep(2.5)  # longer than the worker takes to look for work
    states = [services.catalog.get_job(job.id).state for job in (first, second, third)]
    assert states == [JobState.RUNNING, JobState.QUEUED, JobState.QUEUED]
    services.trainer.cancel_job(first.id)
    for job in (third, second):
        with pytest.raises(JobFailed):
            list(services.watch(job))
    ends = [services.catalog.get_job(job.id).updated_at for job in (first, second, third)]
    assert ends == sorted(ends)


@pytest.fixture(scope="module")
def mine(services: Services, small_checkpoints: dict[str, Path]) -> Model:
    """Version 2 of a model in the store and the catalog."""
    shutil.copytree(small_checkpoints["group"], version_folder(services.config.models, "mine", 2))
    return services.catalog.register_model(Model("mine", 2, "Wav2Vec2En", "a/b@c"))


def test_every_attempt_of_a_fit_begins_with_the_version_that_was_the_newest_at_the_first(
    services: Services, rows: RowDicts, mine: Model
) -> None:
    job = services.train(replace(ENDLESS, kind=JobKind.FIT, model="further", base="mine"), rows)
    wait_for(find_child)
    services.trainer.cancel_job(job.id)
    base = services.folder(job).read_base()
    assert base is not None
    assert (base.name, base.source) == ("Wav2Vec2En", BaseModelSource.FOLDER)
    assert Path(base.checkpoint) == version_folder(services.config.models, "mine", 2).resolve()
    services.catalog.register_model(replace(mine, version=3))
    services.trainer.resume_job(job.id)
    wait_for(find_child)
    services.trainer.cancel_job(job.id)
    assert services.folder(job).read_base() == base


@pytest.mark.slow
def test_fit_makes_a_model_that_says_what_it_goes_on_from(services: Services, rows: RowDicts, mine: Model) -> None:
    shutil.copytree(
        version_folder(services.config.models, "mine", 2),
        version_folder(services.config.models, "mine", 3),
        dirs_exist_ok=True,
    )
    services.catalog.register_model(replace(mine, version=3))
    job = services.train(replace(SPEC, kind=JobKind.FIT, model="further", base="mine", epochs=1), rows)
    result = list(services.watch(job))[-1].event
    assert isinstance(result, JobResult)
    model = services.catalog.get_model("further")
    assert (model.class_name, model.base, model.state) == ("Wav2Vec2En", "mine@3", ModelState.READY)
    description = read_description(version_folder(services.config.models, "further", result.version))
    assert (description.class_name, description.base) == ("Wav2Vec2En", "mine@3")


def test_fit_from_a_model_without_files_fails_with_what_to_do(services: Services, rows: RowDicts) -> None:
    services.catalog.register_model(Model("unready", 1, "Wav2Vec2En", "a/b", ModelState.PENDING))
    fit = replace(SPEC, kind=JobKind.FIT)
    with pytest.raises(JobFailed, match="is not in the model store") as caught:
        list(services.watch(services.train(replace(fit, base="unready"), rows)))
    assert "PREDICT USING unready" in caught.value.hint
    with pytest.raises(JobFailed, match="'nothing' does not exist"):
        list(services.watch(services.train(replace(fit, base="nothing"), rows)))


def test_only_the_newest_checkpoints_of_ended_jobs_are_kept(config: TrainerConfig, tmp_path: Path) -> None:
    config = replace(config, state=tmp_path / "state", keep_jobs=1)
    with running_catalog(config) as config, open_channel(config.catalog) as channel:
        catalog = CatalogClient(channel)
        for id, end in (("old", JobState.FAILED), ("new", JobState.CANCELLED), ("done", JobState.SUCCEEDED)):
            folder = JobFolder(config.jobs, catalog.create_job(id, SPEC).id)
            folder.state.mkdir(parents=True)
            (folder.state / "checkpoint-000000007.pt").touch()
            folder.rows.touch()
            catalog.finish_job(id, end)
        waiting = JobFolder(config.jobs, catalog.create_job("waiting", SPEC).id)
        waiting.path.mkdir()
        waiting.rows.touch()
        Endings(config, catalog, "owner", lambda: False).drop_expired()
    left = sorted(path.name for path in config.jobs.iterdir() if (path / "rows.arrow").exists())
    assert left == ["new", "waiting"]
    assert [path.name for path in config.jobs.glob("*/state")] == ["state"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_whose_process_is_killed_in_every_phase_makes_the_model_of_one_that_was_not(
    services: Services, rows: RowDicts
) -> None:
    undisturbed = services.train(replace(SPEC, model="undisturbed"), rows)
    whole = list(services.watch(undisturbed))[-1].event
    assert isinstance(whole, JobResult)
    phases = {
        "load the base model": signal.SIGKILL,
        "check data": signal.SIGSEGV,
        "train": signal.SIGTERM,  # by somebody else than the trainer, such as the system when it goes down
        "evaluate after epoch 2": signal.SIGKILL,
        "export": signal.SIGKILL,
        "check the export": signal.SIGKILL,
    }
    job = services.train(replace(SPEC, model="disturbed"), rows)
    events: list[JobEvent] = []
    for phase, by in phases.items():
        events += follow_until(services, job, phase, len(events))
        kill_child(by)
        events += until_notice(services, job, f"killed by {by.name}", len(events))
    events += services.watch(job, len(events))
    result = events[-1].event
    assert isinstance(result, JobResult)
    assert [event.number for event in events] == list(range(len(events)))
    killed = [text for text in notices(events, Severity.WARNING) if "was killed by" in text]
    assert len(killed) == len(phases)
    assert "There is no checkpoint yet, so the job begins again." in killed[0]
    assert "goes on from its checkpoint after step" in killed[3]
    assert "The training itself had ended" in killed[4]
    assert weights_of(services.config, "disturbed", 1) == weights_of(services.config, "undisturbed", 1)
    assert (result.wer, result.train_rows) == (whole.wer, whole.train_rows)
    assert services.catalog.get_job(job.id).attempts == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_two_processes_that_train_together_one_is_killed_and_the_job_goes_on(
    services: Services, rows: RowDicts
) -> None:
    job = services.train(replace(SPEC, model="together", devices=2), rows)
    before = follow_until(services, job, "evaluate after epoch 2")
    assert len(find_ranks()) == 2
    find_ranks()[1].send_signal(signal.SIGKILL)
    events = until_notice(services, job, "killed by SIGKILL", len(before))
    assert "goes on from its checkpoint after step" in notices(events)[-1]
    follow_until(services, job, "evaluate after epoch 3", len(before) + len(events))
    # The one that has started both is killed, and is followed by both.
    (launcher,) = [each for each in find_children() if each not in find_ranks()]
    left = find_ranks()
    launcher.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(is_alive(each) for each in left), 10)
    follow_until(services, job, "train", len(before) + len(events) + 1)
    left = find_children()
    began = time.monotonic()
    services.trainer.cancel_job(job.id)
    assert time.monotonic() - began < 1.5
    wait_for(lambda: not any(is_alive(each) for each in left), 2)


def until_notice(services: Services, job: Job, said: str, next_event: int) -> list[JobEvent]:
    events = []
    for event in services.watch(job, next_event):
        events.append(event)
        if isinstance(event.event, Notice) and said in event.event.text:
            break
    return events


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("phase", "devices"), [("evaluate after epoch 2", 1), ("evaluate after epoch 2", 2), ("export", 1)]
)
def test_a_job_whose_trainer_is_killed_is_taken_up_by_the_next(
    phase: str, devices: int, config: TrainerConfig, rows: RowDicts, tmp_path: Path
) -> None:
    config = replace(config, state=tmp_path / "state")
    with running_catalog(config) as config:
        with trainer_process(config) as (services, process):
            job = services.train(replace(SPEC, devices=devices), rows)
            before = follow_until(services, job, phase)
            left = find_children()
            assert len(left) == (1 if devices == 1 else devices + 1)
            process.send_signal(signal.SIGKILL)
            process.wait()
            # They end by themselves when their parent has gone.
            wait_for(lambda: not any(is_alive(each) for each in left), 10)
        assert services.folder(job).read_checkpoint() is not None
        with trainer_process(config) as (services, process):
            events = list(services.watch(job))
            assert events[: len(before)] == before
            finished = services.catalog.get_job(job.id)
    assert isinstance(events[-1].event, JobResult)
    assert (finished.state, finished.attempts) == (JobState.SUCCEEDED, 2)
    (gone,) = [text for text in notices(events, Severity.WARNING) if text.startswith("The trainer had gone away")]
    assert "begins again" not in gone
    assert [path.name for path in (config.models / "m").iterdir()] == ["1"]


@pytest.mark.slow
def test_a_trainer_that_is_killed_between_the_product_and_its_registration_loses_nothing(
    config: TrainerConfig, rows: RowDicts, tmp_path: Path
) -> None:
    config = replace(config, state=tmp_path / "state")
    with running_catalog(config) as config:
        with trainer_process(config) as (services, process):
            job = services.train(replace(SPEC, epochs=1), rows)
            follow_until(services, job, "check the export")
            # The catalog answers questions and takes nothing in: the trainer hangs where it registers the model.
            with sqlite3.connect(config.state / "metadata.sqlite", isolation_level=None) as database:
                database.execute("BEGIN IMMEDIATE")
                wait_for(lambda: services.folder(job).read_product(), 30)
                process.send_signal(signal.SIGKILL)
                process.wait()
                database.execute("ROLLBACK")
            database.close()
        made = weights_of(config, "m", 1)
        with trainer_process(config) as (services, process):
            events = list(services.watch(job))
            finished = services.catalog.get_job(job.id)
            model = services.catalog.get_model("m")
    assert isinstance(events[-1].event, JobResult)
    assert (finished.state, finished.attempts) == (JobState.SUCCEEDED, 2)
    assert (model.state, model.version) == (ModelState.READY, 1)
    # Nothing was done a second time.
    assert weights_of(config, "m", 1) == made
    phases = [event.event.phase for event in events if isinstance(event.event, Progress)]
    assert phases.count("load the base model") == 2  # the begin and the end of the phase, once
