"""Processes that train together on the CPU, started by torchrun, do what one does alone."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
import torch

from thanosql.errors import ThanoSQLError
from thanosql.modelstore import read_description, version_folder
from thanosql.types import BaseModel, BaseModelSource, JobKind, JobSpec, Progress
from trainer_service.bases.checkpoints import load_folder
from trainer_service.jobs.child import Child
from trainer_service.jobs.jobs import Message, Product, Task
from trainer_service.training.curves import read_points

SPEC = JobSpec(JobKind.BUILD, "m", "small", epochs=2, batch_size=6, eval_fraction=0.2, learning_rate=1e-3)


@pytest.fixture
def task(tmp_path: Path, checkout: Path, small_checkpoints: dict[str, Path]) -> Task:
    """A job over rows of the tutorial, with a base in which nothing but masks is left to chance."""
    with (checkout / "tutorial_data/librispeech_data/librispeech_train.csv").open(encoding="utf-8") as file:
        rows = pa.Table.from_pylist(list(csv.DictReader(file))[:15])
    with pa.ipc.new_file(str(tmp_path / "rows.arrow"), rows.schema) as writer:
        writer.write_table(rows)
    checkpoint = load_folder(small_checkpoints["group"])
    for name in vars(checkpoint.model.config):
        if name.endswith("dropout") or name == "layerdrop":
            setattr(checkpoint.model.config, name, 0.0)
    base = tmp_path / "base"
    checkpoint.model.save_pretrained(base)
    checkpoint.tokenizer.save_pretrained(base)
    checkpoint.feature_extractor.save_pretrained(base)
    return Task(
        "job",
        SPEC,
        BaseModel("small", str(base), source=BaseModelSource.FOLDER),
        1,
        str(checkout),
        str(tmp_path / "models"),
        str(tmp_path / "rows.arrow"),
        device="cpu",
        state=str(tmp_path / "alone"),
    )


def run(task: Task) -> list[Message]:
    """Works on a task in processes of its own, as the worker has it done; what they tell."""
    child = Child(task, Path(task.state).with_suffix(".log"))
    messages = list(child.messages())
    assert child.wait() == 0, child.last_words
    return messages


def train(task: Task) -> list[Message]:
    """As `run`, to the end of the training; without the export, which takes longer and is made by one of them."""
    child = Child(task, Path(task.state).with_suffix(".log"))
    messages = []
    for message in child.messages():
        messages.append(message)
        if isinstance(message, Progress) and message.phase == "export":
            break
    child.stop()
    child.wait()
    return messages


def losses(task: Task) -> list[float]:
    return [point.figures["loss"] for point in read_points(Path(task.state)) if "loss" in point.figures]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_and_end_with_the_same_weights(task: Task, tmp_path: Path) -> None:
    together = replace(task, spec=replace(SPEC, devices=2), state=str(tmp_path / "together"))
    told = train(task), train(together)
    assert len(losses(task)) >= 4
    assert losses(together) == pytest.approx(losses(task), rel=1e-3)
    # One of them speaks.
    for messages in told:
        steps = [each.done for each in messages if isinstance(each, Progress) and each.phase == "train"]
        assert steps == sorted(set(steps))
    alone, shared = (
        torch.load(Path(each.state) / "finished.pt", weights_only=True)["weights"] for each in (task, together)
    )
    for name, weight in alone.items():
        torch.testing.assert_close(weight, shared[name], atol=2e-3, rtol=0)


@pytest.mark.slow
def test_more_processes_than_rows_of_a_step_are_no_trouble(task: Task) -> None:
    messages = run(replace(task, spec=replace(SPEC, devices=2, batch_size=1, epochs=1)))
    assert len(losses(task)) == 12
    (product,) = [each for each in messages if isinstance(each, Product)]
    assert product.result.train_rows == 12
    assert read_description(version_folder(Path(task.models), "m", 1)).report["devices"] == 2


@pytest.mark.slow
def test_all_processes_end_when_the_job_is_stopped(task: Task) -> None:
    child = Child(replace(task, spec=replace(SPEC, devices=2, epochs=5_000)), Path(task.state).with_suffix(".log"))
    for message in child.messages():
        if getattr(message, "phase", "") == "train":
            break
    processes = psutil.Process(child.pid).children(recursive=True)
    assert len(processes) >= 2
    began = time.monotonic()
    child.stop()
    child.wait()
    assert time.monotonic() - began < 5
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    assert list(Path(task.state).glob("checkpoint-*.pt"))


def test_a_gpu_that_is_not_there_is_said(task: Task) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    child = Child(replace(task, device="cuda"), Path(task.state).with_suffix(".log"))
    *_, error = child.messages()
    child.wait()
    assert isinstance(error, ThanoSQLError)
    assert "this machine has 0" in error.message


@pytest.mark.slow
def test_two_machines_train_together(task: Task, tmp_path: Path) -> None:
    """Two torchruns that meet at an address, as on two machines with a shared disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"--nnodes 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{free.getsockname()[1]}"
    state = tmp_path / "both"
    child = Child(
        replace(task, spec=replace(SPEC, devices=2, epochs=1), state=str(state), torchrun=meeting),
        tmp_path / "both.log",
    )
    messages = child.messages()
    deadline = time.monotonic() + 60
    while not (state / "task.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    command = [sys.executable, "-m", "torch.distributed.run", *meeting.split(), "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [*command, "-m", "trainer_service.runner", str(state / "task.json")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as other:
        *_, last = messages
        assert child.wait() == 0, child.last_words
        assert other.wait(30) == 0
    assert isinstance(last, Product)
    assert read_description(version_folder(Path(task.models), "m", 1)).report["devices"] == 4
