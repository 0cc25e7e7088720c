"""A training is taken up by the id that LIST JOBS shows: with its statement, without it, and after its end."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import thanosql
from thanosql.errors import NotFound
from thanosql.types import Event, JobKind, JobProgress, JobSpec, JobState, Progress


@pytest.fixture
def session(services: Any) -> Iterator[thanosql.Session]:
    with thanosql.connect(services.client._peer.removeprefix("query_service at "), "secret") as session:
        yield session


@pytest.fixture
def training(services: Any) -> Iterator[Callable[[JobState], str]]:
    """Makes a training that no statement is about, as after a new start of the server; its id."""
    ids: list[str] = []

    def make(state: JobState) -> str:
        spec = JobSpec(JobKind.BUILD, f"m_{uuid.uuid4().hex[:8]}", "Wav2Vec2En", statement="BUILD MODEL …")
        id = services.catalog.create_job(uuid.uuid4().hex, spec).id
        ids.append(id)
        while (claimed := services.catalog.claim_job("played", 60)) is not None and claimed.id != id:
            services.catalog.finish_job(claimed.id, JobState.CANCELLED)
        if state.ended:
            services.catalog.finish_job(id, state, "")
        return id

    yield make
    for id in ids:
        if not services.catalog.get_job(id).state.ended:
            services.catalog.finish_job(id, JobState.CANCELLED)


def steps_of(events: list[Event]) -> list[float]:
    return [event.event.done for event in events if isinstance(event.event, Progress)]


def test_the_id_of_a_training_stands_for_the_statement_that_follows_it(services: Any, session: Any) -> None:
    services.recordings("taken.wav")
    services.table("taken_up", "audio_path,text\naudio/taken.wav,hello\n")
    sent = session.submit("BUILD MODEL taken USING Wav2Vec2En AS SELECT * FROM taken_up")
    assert sent.wait(progress=False).kind == "BUILD MODEL"
    (shown,) = (row for row in session.sql("LIST JOBS", progress=False) if row.model == "taken")
    assert not sent.id.startswith(shown.id), "the training's row stands for the statement"
    result = session.attach(shown.id, progress=False)
    assert (result.id, next(iter(result)).model) == (sent.id, "taken")
    assert next(iter(session.job(shown.id).wait(progress=False))).model == "taken"


def test_a_training_that_no_statement_follows_is_followed_from_its_beginning(
    services: Any, session: Any, training: Any
) -> None:
    id = training(JobState.RUNNING)
    services.trainer.progress = {id: JobProgress(id, Progress("train", 4, 4, "steps"), 5, resumable=True)}
    seen: list[Event] = []
    result = session.attach(id[:8], progress=False, on_event=seen.append)
    assert (result.kind, len(result)) == ("RESUME JOB", 1)
    assert services.trainer.watched_from == [0], "the curves begin at the beginning"
    assert steps_of(seen)[-1] == 4
    assert list(session.job(id).events())[-1].event.rows == 1, "the one who follows it is found again"
    assert len(services.trainer.watched_from) == 1


def test_a_job_of_a_training_is_cancelled_whatever_follows_it(services: Any, session: Any, training: Any) -> None:
    id = training(JobState.RUNNING)
    job = session.job(id[:8])
    assert (job.id, job.done) == (id, False)
    assert job.cancel()
    assert services.trainer.cancelled == [id]
    assert not job.cancel()


def test_leaving_a_training_that_was_taken_up_does_not_stop_it(services: Any, session: Any, training: Any) -> None:
    id = training(JobState.RUNNING)
    services.trainer.never_ends = True
    began = threading.Event()
    for _ in session.events_of(id):
        began.set()
        break
    assert began.is_set()
    assert services.trainer.cancelled == []


@pytest.mark.parametrize(
    ("state", "said", "hint"),
    [
        (JobState.SUCCEEDED, "has succeeded", "DESCRIBE MODEL m_"),
        (JobState.FAILED, "has failed", "RESUME JOB"),
        (JobState.CANCELLED, "was cancelled", "RESUME JOB"),
    ],
)
def test_a_training_that_has_ended_without_a_statement_says_what_to_do(
    services: Any, session: Any, training: Any, state: JobState, said: str, hint: str
) -> None:
    id = training(state)
    with pytest.raises(NotFound, match=said) as raised:
        session.attach(id[:8], progress=False)
    assert hint in raised.value.hint
    assert services.trainer.resumed == [], "to take something up does not begin it again"
