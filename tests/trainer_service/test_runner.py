"""The child process ends with whoever started it, and says what went wrong."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from thanosql.errors import DataError, JobFailed
from thanosql.types import BaseModel, BaseModelSource, JobKind, JobSpec, Progress
from trainer_service.jobs.child import Child
from trainer_service.jobs.jobs import LogLine, Message, Task
from trainer_service.runner import explain, thin_out


def make_task(tmp_path: Path, base: str) -> Task:
    spec = JobSpec(JobKind.EXPORT, "m", "x")
    folder = BaseModel("x", base, source=BaseModelSource.FOLDER)
    return Task("job", spec, folder, 1, str(tmp_path), str(tmp_path / "models"), "", "cpu", 1)


def test_a_child_whose_parent_is_killed_ends_by_itself(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from trainer_service.jobs.child import Child; "
        "from trainer_service.jobs.jobs import Task; "
        "print(Child(Task.from_json(sys.argv[1]), Path(sys.argv[2])).pid, flush=True); time.sleep(60)"
    )
    arguments = [make_task(tmp_path, "nothing").to_json(), str(tmp_path / "log.txt")]
    with subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_child_tells_its_failure_and_what_libraries_print_comes_not_between(tmp_path: Path) -> None:
    child = Child(make_task(tmp_path, str(tmp_path)), tmp_path / "log.txt")
    messages = list(child.messages())
    assert child.wait() == 1
    assert isinstance(messages[-1], Exception)
    assert "cannot be loaded" in str(messages[-1])
    assert all(isinstance(message, Progress | LogLine) for message in messages[:-1])
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    assert any("UnknownBaseModel" in line for line in child.last_words)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("no rows"), "no rows"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the disk is full"),
        (RuntimeError("Error while serializing: I/O error: File too large (os error 27)"), "the disk is full"),
        (MemoryError(), "memory ran out"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "memory ran out"),
    ],
)
def test_what_a_user_can_mend_is_explained(error: Exception, said: str) -> None:
    failure = explain(error)
    assert failure is not None
    assert said in failure.message
    assert isinstance(error, DataError) or isinstance(failure, JobFailed)


def test_a_fault_of_ours_is_left_to_the_last_words() -> None:
    assert explain(RuntimeError("shape mismatch")) is None


def test_progress_is_thinned_out_but_not_at_either_end_of_a_phase() -> None:
    written: list[Message] = []
    say = thin_out(written.append)
    for step in range(1, 1001):
        say(Progress("train", step, 1000))
    say(Progress("export", 0, 1))
    assert len(written) < 100
    assert written[0] == Progress("train", 1, 1000)
    assert written[-2:] == [Progress("train", 1000, 1000), Progress("export", 0, 1)]
