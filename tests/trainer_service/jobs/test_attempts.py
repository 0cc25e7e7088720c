"""How often a job is begun again, how long it can be resumed, and whose turn it is."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from thanosql.errors import JobFailed
from thanosql.types import BaseModel, BaseModelSource, Job, JobKind, JobSpec, JobState, Notice, Progress
from trainer_service.jobs.attempts import (
    ATTEMPTS,
    Attempts,
    Checkpoint,
    Reached,
    find_exit_code,
    give_up,
    is_killed,
    lose,
    say_where_it_goes_on,
)
from trainer_service.jobs.job_folder import BOARD, JobFolder
from trainer_service.jobs.retention import choose_expired
from trainer_service.jobs.turns import announce_turn

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
TRAINED = Reached(Checkpoint(100), phases=4)


def test_a_job_that_is_killed_at_one_place_is_given_up_after_some_attempts() -> None:
    attempts, begun = Attempts(), 0
    while not attempts.are_used_up:
        begun += 1
        attempts = lose(attempts, TRAINED)
    assert begun == ATTEMPTS


@pytest.mark.parametrize(
    "further",
    [Reached(Checkpoint(101), 4), Reached(Checkpoint(100), 5), Reached(Checkpoint(0, is_end=True), 4)],
    ids=["a newer checkpoint", "a later phase", "the end of the training"],
)
def test_a_job_that_got_further_has_all_its_attempts_again(further: Reached) -> None:
    almost = Attempts(ATTEMPTS - 1, TRAINED)
    assert lose(almost, further) == Attempts(1, further)
    assert lose(almost, TRAINED).are_used_up


def test_a_job_that_gets_further_each_time_is_never_given_up() -> None:
    attempts = Attempts()
    for step in range(100):
        attempts = lose(attempts, Reached(Checkpoint(step), 4))
        assert not attempts.are_used_up


def test_a_first_checkpoint_is_further_than_none() -> None:
    assert Reached(Checkpoint(0), 4).is_further_than(Reached(None, 4))
    assert not Reached(None, 4).is_further_than(Reached(None, 4))


@pytest.mark.parametrize(
    ("code", "killed"),
    [
        (-signal.SIGKILL, True),
        (-signal.SIGSEGV, True),
        (1, False),
        (0, False),
        (2, False),
    ],
)
def test_an_error_of_its_own_is_no_kill(code: int, killed: bool) -> None:
    assert is_killed(code) is killed


def test_of_processes_that_train_together_the_first_that_failed_counts() -> None:
    words = [
        "Failures:",
        "  exitcode  : -15 (pid: 21586)  (SIGTERM)",
        "Root Cause (first observed failure):",
        "[0]:",
        "  rank      : 1 (local_rank: 1)",
        "  exitcode  : -9 (pid: 21587)  (SIGKILL)",
        "  traceback : Signal 9 (SIGKILL) received by PID 21587",
    ]
    assert find_exit_code(1, words) == -signal.SIGKILL
    told = [line.replace("-9", "143") for line in words]
    assert find_exit_code(1, told) == find_exit_code(128 + signal.SIGTERM, []) == -signal.SIGTERM
    assert find_exit_code(255, []) == 255
    assert find_exit_code(1, ["RuntimeError: exitcode : -9"]) == 1


def test_a_job_that_is_given_up_says_how_often_it_was_begun() -> None:
    failure = give_up(JobFailed("it was killed", hint="Free memory."))
    assert failure.message == "it was killed; it was begun 3 times and got no further"
    assert failure.hint == "Free memory."


@pytest.mark.parametrize(
    ("checkpoint", "steps", "said"),
    [
        (None, 12, "There is no checkpoint yet, so the job begins again."),
        (Checkpoint(120), 133, "The job goes on from its checkpoint after step 120; 13 steps are done again."),
        (Checkpoint(120), 121, "The job goes on from its checkpoint after step 120; 1 step is done again."),
        (Checkpoint(120), 120, "The job goes on from its checkpoint after step 120."),
        (Checkpoint(0, True), 130, "The training itself had ended; the job goes on with what follows it."),
    ],
)
def test_a_notice_says_where_a_job_goes_on(checkpoint: Checkpoint | None, steps: int, said: str) -> None:
    assert say_where_it_goes_on(checkpoint, steps) == said


def make_job(id: str, state: JobState, hours_ago: float = 0.0) -> Job:
    spec = JobSpec(JobKind.BUILD, f"model_{id}", "Wav2Vec2En")
    return Job(id, spec, state, updated_at=NOW - timedelta(hours=hours_ago))


def expire(*jobs: Job, with_checkpoint: tuple[str, ...] = ()) -> tuple[str, ...]:
    return choose_expired(jobs, with_checkpoint, NOW, keep_days=2, keep_jobs=2)


def test_jobs_that_may_go_on_keep_what_they_need() -> None:
    waiting, running = make_job("a", JobState.QUEUED, 999), make_job("b", JobState.RUNNING, 999)
    assert expire(waiting, running, with_checkpoint=("a", "b")) == ()


def test_a_job_that_succeeded_keeps_nothing() -> None:
    assert expire(make_job("a", JobState.SUCCEEDED)) == ("a",)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_an_ended_job_can_be_resumed_for_some_days(state: JobState) -> None:
    assert expire(make_job("new", state, 47), make_job("old", state, 49)) == ("old",)


def test_of_the_jobs_with_checkpoints_the_newest_are_kept() -> None:
    jobs = [make_job(id, JobState.FAILED, hours) for id, hours in (("c", 3), ("a", 1), ("b", 2), ("small", 4))]
    assert expire(*jobs, with_checkpoint=("a", "b", "c")) == ("c",)


def test_a_job_is_told_how_many_are_before_it_and_which_is_under_way() -> None:
    running = make_job("a", JobState.RUNNING)
    fit = replace(running.spec, kind=JobKind.FIT, model="n")
    assert announce_turn([]) is None
    one = announce_turn([running])
    assert one is not None
    assert one.text.endswith("one job is before this one (now: training of model_a).")
    two = announce_turn([running, replace(running, id="b", state=JobState.QUEUED, spec=fit)])
    assert two is not None
    assert "first come, first served: 2 jobs are before this one (now: training of model_a)" in two.text


def make_folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path, "job")
    folder.state.mkdir(parents=True)
    return folder


def test_the_newest_checkpoint_is_found_and_the_end_of_a_training(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert folder.read_checkpoint() is None
    for name in ("checkpoint-000000100.pt", "checkpoint-000000120.pt", "checkpoint-000000130.new", "curves.jsonl"):
        (folder.state / name).touch()
    assert folder.read_checkpoint() == Checkpoint(120)
    (folder.state / "finished.pt").touch()
    assert folder.read_checkpoint() == Checkpoint(0, is_end=True)


def test_what_a_folder_keeps_is_read_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert folder.read_attempts() is None
    assert folder.read_base() is None
    attempts = Attempts(2, TRAINED, is_running=True)
    folder.write_attempts(attempts)
    assert folder.read_attempts() == attempts
    folder.write_attempts(Attempts())
    assert folder.read_attempts() == Attempts()
    base = BaseModel("Wav2Vec2En", "/models/m/3", source=BaseModelSource.FOLDER)
    folder.write_base(base)
    assert folder.read_base() == base


def test_events_are_summed_up_and_a_half_written_one_is_cut_off(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    last = Progress("evaluate after epoch 1", 3, 20, "clips", figures={"wer": 0.5})
    for event in (Progress("load"), Notice("n"), Progress("train", 7, 9, "steps"), last):
        folder.events.append(event)
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"progress": {"pha')
    again = JobFolder(tmp_path, "job")
    told = again.events.sum_up()
    assert (told.events, told.steps) == (4, 7)
    assert again.events.look() == (4, last)
    assert told.phases == {"load", "train", "evaluate after epoch 1"}
    again.events.append(Notice("m"))
    assert again.events.sum_up().events == 5
    assert again.events.look() == (5, last)


def test_the_last_progress_is_found_at_the_end_of_many_events(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert folder.events.look() == (0, None)
    for step in range(1_000):
        folder.events.append(Progress("train", step, 1_000, "steps", figures={"loss": 1.0}))
    assert folder.events.look() == (1_000, Progress("train", 999, 1_000, "steps", figures={"loss": 1.0}))


def test_what_tensorboard_reads_outlives_the_state(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder.state / BOARD).mkdir()
    (folder.state / BOARD / "events").touch()
    (folder.state / "checkpoint-1.pt").touch()
    folder.rows.touch()
    folder.drop_rows_and_state()
    assert sorted(path.name for path in folder.path.iterdir()) == [BOARD]
    assert (folder.path / BOARD / "events").exists()
    folder.drop_rows_and_state()
