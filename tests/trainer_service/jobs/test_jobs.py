"""What is told to and by the child process, and what its end means."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from thanosql.errors import DataError, InvalidOption, JobFailed
from thanosql.types import BaseModel, BaseModelSource, JobKind, JobResult, JobSpec, Notice, Progress, Severity
from trainer_service.jobs.jobs import (
    Message,
    Product,
    Task,
    check_spec,
    describe_base,
    explain_end,
    is_disk_full,
    read_line,
    write_line,
)

SPEC = JobSpec(JobKind.BUILD, "m", "Wav2Vec2En", learning_rate=1e-4)
BASE = BaseModel("Wav2Vec2En", "facebook/x", "abc", source=BaseModelSource.CACHED)


def test_a_task_survives_the_way_to_the_child() -> None:
    task = Task("id", SPEC, BASE, 3, "/w", "/m", "/r", "cpu", 2, 12.5)
    assert Task.from_json(task.to_json()) == task


@pytest.mark.parametrize(
    "message",
    [
        Progress("train", 1, 2, "steps", 0.5, 3.0, {"loss": 1.5}),
        Notice("beware\nof this", Severity.WARNING),
        Product(JobResult("m", 1, 0.5, None, 2, 3, 4.0, 5.0), "b@1", '{"ä": 1}'),
    ],
)
def test_a_message_survives_the_way_from_the_child(message: Message) -> None:
    line = write_line(message)
    assert "\n" not in line
    assert read_line(line) == message


def test_a_failure_survives_with_its_kind_and_hint() -> None:
    error = read_line(write_line(DataError("no rows", hint="run it")))
    assert isinstance(error, DataError)
    assert (error.message, error.hint) == ("no rows", "run it")


@pytest.mark.parametrize("line", ["", "Loading weights", "[1]", '{"product": {}}', '{"progress": {"x": 1}}'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a message of a job"):
        read_line(line)


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, model="../m"),
        replace(SPEC, model=".m"),
        replace(SPEC, model=""),
        replace(SPEC, model="m" * 101),
        replace(SPEC, epochs=0),
        replace(SPEC, batch_size=-1),
        replace(SPEC, learning_rate=0.0),
        replace(SPEC, learning_rate=float("nan")),
        replace(SPEC, eval_fraction=1.0),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: JobSpec) -> None:
    with pytest.raises(InvalidOption):
        check_spec(spec)


@pytest.mark.parametrize("name", ["m", "my_model", "Modell-2", "모델", "a b.c"])
def test_names_of_models_may_be_what_a_folder_can_be(name: str) -> None:
    check_spec(replace(SPEC, model=name))


def test_a_killed_child_most_likely_ran_out_of_memory() -> None:
    failure = explain_end(-signal.SIGKILL, ["", "loading", ""], "train")
    assert "killed by SIGKILL during 'train'" in failure.message
    assert "memory" in failure.message
    assert "smaller batch_size" in failure.hint
    assert "loading" in failure.hint


def test_any_other_end_is_told_with_the_last_words() -> None:
    failure = explain_end(1, ["Traceback", "RuntimeError: boom"], "")
    assert isinstance(failure, JobFailed)
    assert "exit code 1" in failure.message
    assert "RuntimeError: boom" in failure.hint
    assert "killed by SIGSEGV" in explain_end(-signal.SIGSEGV, [], "export").message


def test_a_full_disk_is_known_from_the_words_of_any_library() -> None:
    assert is_disk_full("[Errno 28] No space left on device: 'x'")
    assert is_disk_full("I/O error: File too large (os error 27)")
    assert is_disk_full("OSError: problem writing element 403456 to file")
    assert is_disk_full("12 requested and 3 written")
    assert not is_disk_full("out of memory")


def test_a_base_is_described_with_its_revision() -> None:
    assert describe_base(BASE) == "facebook/x@abc"
    assert describe_base(replace(BASE, revision="")) == "facebook/x"
