"""Two trainers before one catalog and one disk share the queue; whichever of them a call reaches, it is answered."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

import trainer_service.__main__ as trainer_main
from catalog_service import __main__ as catalog_main
from catalog_service.config import CatalogConfig
from query_service.running.arrow import make_rows
from thanosql.clients import CatalogClient, TrainerClient
from thanosql.errors import Cancelled
from thanosql.rpc.channel import open_channel
from thanosql.types import Job, JobKind, JobResult, JobSpec, JobState, Progress
from trainer_service.config import TrainerConfig

SPEC = JobSpec(JobKind.BUILD, "m", "small", epochs=9_999, batch_size=8)
FOLDER = "tutorial_data/librispeech_data"
TEXTS = ("ONE TWO", "THREE FOUR", "FIVE SIX", "SEVEN EIGHT")


@dataclass
class Two:
    catalog: CatalogClient
    trainer: TrainerClient
    """Of both: calls take turns."""

    def submit(self, spec: JobSpec) -> Job:
        columns = {"audio_path": pa.string(), "text": pa.string()}
        rows = [(f"{FOLDER}/{number:03d}.flac", text) for number, text in enumerate(TEXTS)]
        return self.trainer.submit_job(spec, [make_rows(columns, rows)])

    def states(self) -> dict[str, JobState]:
        return {job.id: job.state for job in self.catalog.list_jobs()}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def two(tmp_path: Path, checkout: Path, small_checkpoints: dict[str, Path]) -> Iterator[Two]:
    (tmp_path / FOLDER).mkdir(parents=True)
    for number in range(len(TEXTS)):
        shutil.copy(checkout / FOLDER / f"{number:03d}.flac", tmp_path / FOLDER)
    shutil.copytree(small_checkpoints["group"], tmp_path / "small")
    state = tmp_path / ".thanosql"
    state.mkdir()
    config = TrainerConfig(port=0, workspace=tmp_path, state=state, grace=0.2, lease_seconds=2.0, hub_timeout=0.5)
    with ExitStack() as stack:
        catalog = catalog_main.start(CatalogConfig(port=0, workspace=tmp_path, state=state, grace=0.2))
        stack.callback(catalog.stop)
        servers = [trainer_main.start(replace(config, catalog=catalog.address)) for _ in range(2)]
        for server in servers:
            stack.callback(server.stop)
        opened = [stack.enter_context(open_channel(catalog.address))]
        opened.append(stack.enter_context(open_channel(",".join(server.address for server in servers))))
        yield Two(CatalogClient(opened[0]), TrainerClient(opened[1]))


@pytest.mark.slow
def test_each_takes_a_job_and_tells_of_the_other_s_too(two: Two) -> None:
    jobs = [two.submit(replace(SPEC, model=name)) for name in ("first", "second")]
    wait_until(lambda: list(two.states().values()) == [JobState.RUNNING] * 2)
    for job in (*jobs, *jobs):  # in turns, so each of them is asked of both
        events = two.trainer.watch_job(job.id)
        assert any(isinstance(event.event, Progress) and event.event.phase == "train" for event in events)
        events.close()
    for job in jobs:
        two.trainer.cancel_job(job.id)
        with pytest.raises(Cancelled):
            list(two.trainer.watch_job(job.id))
    # Whoever has it under way learns of it when it renews its lease, and takes the next job.
    last = two.submit(replace(SPEC, model="third", epochs=1))
    assert isinstance(list(two.trainer.watch_job(last.id))[-1].event, JobResult)
