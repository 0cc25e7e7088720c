"""The rows of the jobs."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from catalog_service.schema.database import Database
from catalog_service.schema.jobs import JobQueue, Jobs
from thanosql.errors import LeaseLost, NotFound
from thanosql.types import Job, JobKind, JobSpec, JobState

SPEC = JobSpec(
    JobKind.BUILD, "mine", "Wav2Vec2En", epochs=2, learning_rate=5e-5, seed=7, early_stopping=True, statement="BUILD …"
)


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, "default")


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database)


def test_a_job_comes_back_as_it_was(jobs: Jobs, now: datetime) -> None:
    created = jobs.create("a", SPEC, now)
    assert created == Job("a", SPEC, created_at=now, updated_at=now, workspace="default")
    assert jobs.get("a") == created


def test_jobs_are_listed_newest_first(jobs: Jobs, now: datetime) -> None:
    for id in "abc":
        jobs.create(id, SPEC, now)
    assert [job.id for job in jobs.newest_first()] == ["c", "b", "a"]


def test_an_unknown_job_names_the_newest(jobs: Jobs, now: datetime) -> None:
    jobs.create("a", SPEC, now)
    with pytest.raises(NotFound, match="'b' does not exist") as caught:
        jobs.get("b")
    assert "a" in caught.value.hint


def test_the_oldest_waiting_job_is_claimed(jobs: Jobs, queue: JobQueue, now: datetime) -> None:
    jobs.create("a", SPEC, now)
    jobs.create("b", SPEC, now)
    claimed = [queue.claim("trainer", 10, now) for _ in range(3)]
    assert [job.id if job else None for job in claimed] == ["a", "b", None]


def test_a_job_whose_trainer_died_is_claimed_before_younger_ones(jobs: Jobs, queue: JobQueue, now: datetime) -> None:
    jobs.create("a", SPEC, now)
    queue.claim("dead", 10, now)
    jobs.create("b", SPEC, now)
    again = queue.claim("alive", 10, now + timedelta(seconds=11))
    assert again is not None
    assert (again.id, again.owner, again.attempts) == ("a", "alive", 2)
    with pytest.raises(LeaseLost):
        jobs.renew("a", "dead", 10, now + timedelta(seconds=12))


def test_two_trainers_never_get_the_same_job(jobs: Jobs, queue: JobQueue, now: datetime) -> None:
    for number in range(20):
        jobs.create(f"job{number}", SPEC, now)
    claimed: list[str] = []

    def work(owner: str) -> None:
        while (job := queue.claim(owner, 10, now)) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=work, args=(f"trainer{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"job{number}" for number in range(20))


def test_an_ended_job_stays_ended(jobs: Jobs, queue: JobQueue, now: datetime) -> None:
    jobs.create("a", SPEC, now)
    jobs.finish("a", JobState.FAILED, "out of disk", now)
    jobs.finish("a", JobState.SUCCEEDED, "", now)
    assert (jobs.get("a").state, jobs.get("a").error) == (JobState.FAILED, "out of disk")
    assert queue.claim("trainer", 10, now) is None


def test_each_workspace_has_its_own_jobs_and_a_trainer_takes_those_of_all(
    database: Database, queue: JobQueue, now: datetime
) -> None:
    here, there = Jobs(database, "default"), Jobs(database, "research")
    here.create("same", SPEC, now)
    there.create("same", SPEC, now)
    there.create("only-there", SPEC, now)
    claimed = [queue.claim("trainer", 10, now) for _ in range(3)]
    assert [(job.workspace, job.id) for job in claimed if job] == [
        ("default", "same"),
        ("research", "same"),
        ("research", "only-there"),
    ]
    here.finish("same", JobState.FAILED, "out of disk", now)
    assert there.get("same").state is JobState.RUNNING
    with pytest.raises(NotFound) as caught:
        here.get("only-there")
    assert caught.value.hint == "The newest jobs are: same."


def test_a_clock_that_went_back_while_no_catalog_ran_makes_no_endless_lease(
    jobs: Jobs, queue: JobQueue, now: datetime
) -> None:
    jobs.create("a", SPEC, now)
    queue.claim("dead", 10, now)
    earlier = now - timedelta(hours=5)
    queue.keep_leases(earlier)
    assert queue.claim("alive", 10, earlier + timedelta(seconds=9)) is None
    again = queue.claim("alive", 10, earlier + timedelta(seconds=11))
    assert again is not None
    assert again.id == "a"


def test_a_lease_is_as_long_as_it_was_where_the_clock_went_on(jobs: Jobs, queue: JobQueue, now: datetime) -> None:
    jobs.create("a", SPEC, now)
    held = queue.claim("trainer", 10, now)
    queue.keep_leases(now + timedelta(seconds=5))
    assert jobs.get("a") == held
