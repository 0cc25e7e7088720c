"""A real trainer with a real catalog: jobs run in child processes, and nothing is lost whatever becomes of them."""

from __future__ import annotations

import csv
import io
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

import trainer_service.__main__ as trainer_main
from catalog_service import __main__ as catalog_main
from catalog_service.config import CatalogConfig
from thanosql.audio import read_audio
from thanosql.clients import CatalogClient, TrainerClient
from thanosql.errors import Cancelled, DataError, InvalidOption, JobFailed, NotFound, Unavailable
from thanosql.held_out import read_sample
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

SPEC = JobSpec(JobKind.BUILD, "m", "small", epochs=1, batch_size=8)
ENDLESS = replace(SPEC, epochs=9_999)


@dataclass
class Services:
    catalog: CatalogClient
    trainer: TrainerClient
    config: TrainerConfig

    def train(self, spec: JobSpec, rows: list[dict[str, str | None]]) -> Job:
        return self.trainer.submit_job(spec, [make_rows(rows)])

    def follow(self, job: Job, next_event: int = 0) -> list[JobEvent]:
        return list(self.trainer.watch_job(job.id, next_event))

    def left_in_store(self) -> list[str]:
        return sorted(str(path.relative_to(self.config.models)) for path in self.config.models.glob("*/*"))


def make_rows(rows: list[dict[str, str | None]]) -> Rows:
    table = pa.Table.from_pylist(rows)
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return Rows(stream.getvalue())


@pytest.fixture(scope="module")
def rows(checkout: Path) -> list[dict[str, str | None]]:
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


@pytest.fixture(scope="module")
def services(config: TrainerConfig) -> Iterator[Services]:
    config.state.mkdir()
    catalog = catalog_main.start(CatalogConfig(port=0, workspace=config.workspace, state=config.state, grace=0.2))
    trainer = trainer_main.start(replace(config, catalog=catalog.address))
    with open_channel(catalog.address) as first, open_channel(trainer.address) as second:
        yield Services(CatalogClient(first), TrainerClient(second), replace(config, catalog=catalog.address))
    trainer.stop()
    catalog.stop()


@pytest.fixture(scope="module")
def built(services: Services, rows: list[dict[str, str | None]]) -> tuple[Job, list[JobEvent]]:
    """A model `m` that was built, and everything that was said meanwhile."""
    bad: list[dict[str, str | None]] = [
        {"audio_path": "gone.flac", "text": "hello"},
        {"audio_path": rows[0]["audio_path"], "text": ""},
    ]
    job = services.train(replace(SPEC, eval_fraction=0.25), [*rows, *bad])
    return job, services.follow(job)


def wait_for_child() -> psutil.Process:
    """The child process of the job under way."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in psutil.Process().children():
            if "trainer_service.runner" in process.cmdline():
                return process
        time.sleep(0.02)
    raise AssertionError("no child process was started")


def follow_until_training(services: Services, job: Job, then: Callable[[], object]) -> None:
    """Follows a job, and does something when it trains."""
    done = False
    for event in services.trainer.watch_job(job.id):
        if isinstance(event.event, Progress) and event.event.phase == "train" and not done:
            done = True
            then()


def test_a_build_ends_in_a_model_that_stands_in_the_store_and_the_catalog(
    services: Services, built: tuple[Job, list[JobEvent]]
) -> None:
    job, events = built
    result = events[-1].event
    assert isinstance(result, JobResult)
    assert (result.model, result.version, result.train_rows, result.dropped_rows) == ("m", 1, 9, 2)
    assert result.wer is not None
    assert result.audio_seconds > 30
    assert services.catalog.get_job(job.id).state is JobState.SUCCEEDED
    model = services.catalog.get_model("m")
    assert (model.version, model.class_name, model.state, model.wer) == (1, "small", ModelState.READY, result.wer)
    assert model.base == str(services.config.workspace / "small")
    description = read_description(version_folder(services.config.models, "m", 1))
    assert description.report["held_out_rows"] == 3
    assert description.report == json.loads(model.report)
    assert description.parity["onnx"] < 1e-3
    assert len(description.report["parity"]["lengths"]) == 4 + 3
    assert sum(description.report["recording_seconds"]["counts"]) == 12
    assert description.report["output_layer"] == "kept"


def test_the_graph_in_int8_stands_beside_where_the_report_says_so(
    services: Services, built: tuple[Job, list[JobEvent]]
) -> None:
    folder = version_folder(services.config.models, "m", 1)
    figures = read_description(folder).report["int8"]
    assert (folder / "int8" / "model.onnx").exists() == figures["kept"]
    assert figures["clips"] == 3
    assert figures["megabytes"] < figures["fp32_megabytes"]


def test_the_held_out_recordings_are_stored_with_the_model_and_what_they_say(
    services: Services, built: tuple[Job, list[JobEvent]], rows: list[dict[str, str | None]]
) -> None:
    folder = version_folder(services.config.models, "m", 1)
    sample = read_sample(folder)
    assert read_description(folder).report["sample_rows"] == len(sample) == 3
    said = {row["text"]: read_audio(services.config.workspace / str(row["audio_path"])) for row in rows}
    for clip in sample:
        np.testing.assert_allclose(clip.samples, said[clip.text], atol=1 / 32_768)
    # Other services, perhaps under other users, read it.
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in folder.rglob("*"))


def test_a_build_tells_its_phases_in_order_without_gaps(built: tuple[Job, list[JobEvent]]) -> None:
    _, events = built
    assert [event.number for event in events] == list(range(len(events)))
    phases = list(dict.fromkeys(event.event.phase for event in events if isinstance(event.event, Progress)))
    assert phases == [
        "load the base model",
        "check data",
        "build the language model",
        "encode",
        "evaluate the base model",
        "train",
        "evaluate after epoch 1",
        "evaluate epoch 1",
        "export",
        "check the export",
        "quantise",
        "hear int8",
    ]
    last_step = [event.event for event in events if isinstance(event.event, Progress) and event.event.phase == "train"]
    assert {"loss", "learning_rate", "audio_seconds_per_second"} <= set(last_step[-1].figures)


def test_dropped_rows_are_told_in_a_warning(built: tuple[Job, list[JobEvent]]) -> None:
    (notice, *_) = [event.event for event in built[1] if isinstance(event.event, Notice)]
    assert notice.severity is Severity.WARNING
    assert "12 of 14 rows are learned from" in notice.text
    assert "1 empty transcript" in notice.text
    assert "1 missing" in notice.text


def test_a_job_can_be_followed_again_after_its_end(services: Services, built: tuple[Job, list[JobEvent]]) -> None:
    job, events = built
    assert services.follow(job) == events
    assert services.follow(job, next_event=len(events) - 2) == events[-2:]


def test_a_child_that_is_killed_again_and_again_fails_the_job_and_leaves_the_old_model(
    services: Services, built: tuple[Job, list[JobEvent]], rows: list[dict[str, str | None]]
) -> None:
    before = services.left_in_store()
    job = services.train(ENDLESS, rows)

    def kill_each_child() -> None:
        for event in services.trainer.watch_job(job.id):
            if isinstance(event.event, Progress):  # its first word
                wait_for_child().send_signal(signal.SIGKILL)

    with pytest.raises(JobFailed, match=r"killed by SIGKILL during 'load.*memory.*begun 3 times") as caught:
        kill_each_child()
    assert "smaller batch_size" in caught.value.hint
    assert services.left_in_store() == before
    assert services.catalog.get_model("m").version == 1
    recorded = services.catalog.get_job(job.id)
    assert recorded.state is JobState.FAILED
    assert "SIGKILL" in recorded.error
    with pytest.raises(JobFailed, match="SIGKILL"):
        services.follow(job)


def test_a_job_is_cancelled_and_its_process_is_gone(
    services: Services, built: tuple[Job, list[JobEvent]], rows: list[dict[str, str | None]]
) -> None:
    before = services.left_in_store()
    job = services.train(ENDLESS, rows)
    child = wait_for_child()

    def cancel() -> None:
        assert services.trainer.cancel_job(job.id).state is JobState.CANCELLED

    with pytest.raises(Cancelled):
        follow_until_training(services, job, cancel)
    assert not child.is_running()
    assert services.left_in_store() == before
    assert services.trainer.cancel_job(job.id).state is JobState.CANCELLED


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are Linux's")
def test_a_full_disk_fails_the_job_with_its_reason(
    services: Services, built: tuple[Job, list[JobEvent]], rows: list[dict[str, str | None]]
) -> None:
    before = services.left_in_store()
    job = services.train(replace(SPEC, model="n"), rows)
    resource.prlimit(wait_for_child().pid, resource.RLIMIT_FSIZE, (50_000, 50_000))
    with pytest.raises(JobFailed, match="the disk is full") as caught:
        services.follow(job)
    assert "Free space" in caught.value.hint
    assert services.left_in_store() == before


def test_a_job_whose_trainer_goes_away_is_taken_up_by_the_next(
    services: Services, rows: list[dict[str, str | None]], tmp_path: Path
) -> None:
    config = replace(services.config, state=tmp_path / "state")
    catalog = catalog_main.start(CatalogConfig(port=0, workspace=config.workspace, state=config.state, grace=0.2))
    config = replace(config, catalog=catalog.address)
    first = trainer_main.start(config)
    with open_channel(first.address) as channel:
        job = TrainerClient(channel).submit_job(ENDLESS, [make_rows(rows)])
        child = wait_for_child()
    first.stop()
    assert not child.is_running()
    second = trainer_main.start(config)
    with open_channel(second.address) as channel, open_channel(catalog.address) as other:
        client, told = TrainerClient(channel), []
        for event in client.watch_job(job.id):
            told.append(event.event.text if isinstance(event.event, Notice) else "")
            if isinstance(event.event, Progress) and event.event.phase == "train":
                break
        taken_up = CatalogClient(other).get_job(job.id)
        client.cancel_job(job.id)
    assert (taken_up.state, taken_up.attempts) == (JobState.RUNNING, 2)
    assert any("begins again" in text for text in told)
    second.stop()
    catalog.stop()


def test_a_model_that_waits_for_its_export_is_made_from_its_base(services: Services) -> None:
    version = services.catalog.reserve_model_version("waiting")
    services.catalog.register_model(Model("waiting", version, "small", "small", ModelState.PENDING))
    job = services.trainer.submit_job(JobSpec(JobKind.EXPORT, "waiting", "small"), [])
    again = services.trainer.submit_job(JobSpec(JobKind.EXPORT, "waiting", "small"), [])
    result = services.follow(job)[-1].event
    assert isinstance(result, JobResult)
    assert (result.model, result.version, result.wer) == ("waiting", version, None)
    assert services.catalog.get_model("waiting").state is ModelState.READY
    # The second finds the model ready, and makes no second one.
    assert services.follow(again)[-1].event == JobResult("waiting", version)
    assert [path.name for path in (services.config.models / "waiting").iterdir()] == [str(version)]


@pytest.mark.slow
def test_an_export_that_is_asked_for_makes_a_new_version_of_a_model_that_is_ready(services: Services) -> None:
    first = JobSpec(JobKind.EXPORT, "uploaded", "./small", new_version=True)
    made = services.follow(services.trainer.submit_job(first, []))[-1].event
    again = services.follow(services.trainer.submit_job(first, []))[-1].event
    assert isinstance(made, JobResult)
    assert isinstance(again, JobResult)
    assert (made.version, again.version) == (1, 2)
    model = services.catalog.get_model("uploaded")
    assert (model.version, model.class_name, model.state) == (2, "small", ModelState.READY)


@pytest.mark.slow
def test_rows_of_which_none_can_be_used_fail_the_job_with_counts(services: Services) -> None:
    job = services.train(replace(SPEC, model="n"), [{"audio_path": "gone.flac", "text": "hello"}] * 3)
    with pytest.raises(JobFailed, match="none of the 3 rows can be learned from: 3 missing"):
        services.follow(job)


def test_a_base_that_is_not_there_fails_the_job(services: Services, rows: list[dict[str, str | None]]) -> None:
    job = services.train(replace(SPEC, base="Wav2VecEn"), rows)
    with pytest.raises(JobFailed, match="'Wav2VecEn' does not exist") as caught:
        services.follow(job)
    assert "Did you mean Wav2Vec2En?" in caught.value.hint


def test_senseless_numbers_and_wrong_columns_are_refused_at_once(services: Services) -> None:
    before = len(services.catalog.list_jobs())
    with pytest.raises(InvalidOption, match="epochs=0"):
        services.trainer.submit_job(replace(SPEC, epochs=0), [])
    with pytest.raises(DataError, match="audio_path and text"):
        services.train(SPEC, [{"path": "x", "text": "y"}])
    assert len(services.catalog.list_jobs()) == before


def test_a_job_that_nobody_knows_is_not_found(services: Services) -> None:
    with pytest.raises(NotFound):
        services.follow(Job("nothing", SPEC))
    with pytest.raises(NotFound):
        services.trainer.cancel_job("nothing")


def test_base_models_are_listed_and_resolved(services: Services) -> None:
    names = [base.name for base in services.trainer.list_base_models()]
    assert names == ["Wav2Vec2En", "Wav2Vec2Ko", "Wav2Vec2EnTiny"]
    assert services.trainer.resolve_base_model("small").source is BaseModelSource.FOLDER


def test_a_trainer_starts_without_its_catalog_and_finds_it_later(
    services: Services, rows: list[dict[str, str | None]], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = replace(services.config, state=tmp_path / "state", catalog=f"127.0.0.1:{port}")
    trainer = trainer_main.start(config)
    catalog = catalog_main.start(CatalogConfig(port=port, workspace=config.workspace, state=config.state, grace=0.2))
    with open_channel(trainer.address) as channel:
        client = TrainerClient(channel)
        job = client.submit_job(replace(SPEC, base="nothing"), [make_rows(rows)])
        with pytest.raises(JobFailed, match="'nothing' does not exist"):
            list(client.watch_job(job.id))
    trainer.stop()
    catalog.stop()


def test_a_job_that_the_catalog_cannot_have_heard_of_leaves_no_folder(
    services: Services, rows: list[dict[str, str | None]], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        config = replace(services.config, state=tmp_path / "state", catalog=f"127.0.0.1:{port}")
        trainer = trainer_main.start(config)
        with open_channel(trainer.address) as channel, pytest.raises(Unavailable):
            TrainerClient(channel).submit_job(SPEC, [make_rows(rows)])
        trainer.stop()
    assert list(config.jobs.glob("*")) == []


def test_the_trainer_loads_nothing_heavy_itself() -> None:
    program = (
        "import sys; from pathlib import Path; import trainer_service.__main__ as main; "
        "from trainer_service.config import TrainerConfig; "
        "main.start(TrainerConfig(port=0, state=Path('none'), grace=0.1)).stop(); "
        "print(*sorted({'torch', 'transformers', 'onnxruntime', 'soundfile'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
