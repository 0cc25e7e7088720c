"""Leases and ends of jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog_service.jobs import claim, create, finish, is_claimable, renew, resume
from thanosql.errors import DataError, LeaseLost, NameTaken
from thanosql.types import JobKind, JobSpec, JobState

NOW = datetime(2025, 3, 1, tzinfo=UTC)
SPEC = JobSpec(JobKind.BUILD, "m", "Wav2Vec2En")
QUEUED = create("job-1", SPEC, None, NOW)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_the_same_job_twice_is_one() -> None:
    running = claim(QUEUED, "trainer", 10, NOW)
    assert create("job-1", SPEC, running, after(5)) == running


def test_another_job_under_a_taken_id_is_refused() -> None:
    with pytest.raises(NameTaken):
        create("job-1", replace(SPEC, model="other"), QUEUED, NOW)


@pytest.mark.parametrize("id", ["", "../x", "a b", "-", "__"])
def test_an_id_that_cannot_be_a_folder_is_refused(id: str) -> None:
    with pytest.raises(DataError):
        create(id, SPEC, None, NOW)


def test_a_claimed_job_is_free_again_when_its_lease_has_run_out() -> None:
    running = claim(QUEUED, "trainer", 10, NOW)
    assert (running.state, running.owner, running.attempts) == (JobState.RUNNING, "trainer", 1)
    assert not is_claimable(running, after(9))
    assert is_claimable(running, after(10))
    assert claim(running, "other", 10, after(10)).attempts == 2


def test_a_renewed_lease_runs_from_the_renewal() -> None:
    renewed = renew(claim(QUEUED, "trainer", 10, NOW), "trainer", 10, after(8))
    assert renewed.lease_expires_at == after(18)
    assert renewed.attempts == 1


def test_a_lease_that_ran_out_unnoticed_is_renewed() -> None:
    assert renew(claim(QUEUED, "trainer", 10, NOW), "trainer", 10, after(99)).lease_expires_at == after(109)


def test_the_lease_of_another_is_lost() -> None:
    with pytest.raises(LeaseLost, match="held by 'other'"):
        renew(claim(QUEUED, "other", 10, NOW), "trainer", 10, NOW)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_an_ended_job_has_no_lease(state: JobState) -> None:
    ended = finish(claim(QUEUED, "trainer", 10, NOW), state, "", NOW)
    assert not is_claimable(ended, after(1000))
    with pytest.raises(LeaseLost, match=f"is {state.value}"):
        renew(ended, "trainer", 10, NOW)


def test_the_first_end_counts() -> None:
    cancelled = finish(QUEUED, JobState.CANCELLED, "", NOW)
    assert finish(cancelled, JobState.SUCCEEDED, "", after(1)) == cancelled


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_job_does_not_end_as_one_that_goes_on(state: JobState) -> None:
    with pytest.raises(DataError, match="cannot end"):
        finish(QUEUED, state, "", NOW)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_lease_without_a_length_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="makes no sense"):
        claim(QUEUED, "trainer", seconds, NOW)


def test_a_trainer_without_a_name_holds_nothing() -> None:
    with pytest.raises(DataError, match="name"):
        claim(QUEUED, "", 10, NOW)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_resumed_job_waits_again_as_if_it_had_never_been_tried(state: JobState) -> None:
    ended = finish(claim(claim(QUEUED, "a", 10, NOW), "b", 10, after(11)), state, "memory ran out", after(20))
    resumed = resume(ended, after(30))
    assert resumed == replace(QUEUED, lease_expires_at=after(30), updated_at=after(30))
    assert is_claimable(resumed, after(30))
    assert claim(resumed, "c", 10, after(31)).attempts == 1


def test_a_job_that_waits_or_runs_is_resumed_by_leaving_it_alone() -> None:
    running = claim(QUEUED, "trainer", 10, NOW)
    assert resume(QUEUED, after(5)) == QUEUED
    assert resume(running, after(5)) == running


@pytest.mark.parametrize(
    ("kind", "hint"), [(JobKind.BUILD, "FIT MODEL m USING m"), (JobKind.FIT, "FIT MODEL m"), (JobKind.EXPORT, "ready")]
)
def test_a_job_that_has_succeeded_is_not_resumed(kind: JobKind, hint: str) -> None:
    done = finish(replace(QUEUED, spec=replace(SPEC, kind=kind)), JobState.SUCCEEDED, "", NOW)
    with pytest.raises(DataError, match="has succeeded") as caught:
        resume(done, NOW)
    assert hint in caught.value.hint
