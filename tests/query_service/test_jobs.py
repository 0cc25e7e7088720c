"""FIT MODEL, LIST JOBS, DESCRIBE JOB, CANCEL JOB, RESUME JOB: over a real catalog and a played trainer."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from query_service.jobs.query_listings import describe_progress
from thanosql.errors import Cancelled, DataError, JobFailed, NotFound, StatementError
from thanosql.types import JobKind, JobProgress, JobSpec, JobState, Model, ModelState, Notice, Progress, Severity


@pytest.fixture
def spoken(services):
    services.recordings("x.wav")
    services.table("spoken_once", "audio_path,text\naudio/x.wav,hello\n")
    return "AS SELECT * FROM spoken_once"


@pytest.fixture
def job(services):
    """Makes a job in the catalog, of a name of its own, in a state; its id."""

    def make(state=JobState.QUEUED, kind=JobKind.BUILD, id="", error="", statement="BUILD MODEL of_a_job …"):
        spec = JobSpec(kind, "of_a_job", "Wav2Vec2En", statement=statement)
        id = services.catalog.create_job(id or uuid.uuid4().hex, spec).id
        if state is not JobState.QUEUED:
            # The oldest is claimed first: those of other tests are in the way until they have ended.
            while (claimed := services.catalog.claim_job("played", 60)) is not None and claimed.id != id:
                services.catalog.finish_job(claimed.id, JobState.CANCELLED)
            if state.ended:
                services.catalog.finish_job(id, state, error)
        return id

    return make


def notices(events):
    return [event.text for event in events if isinstance(event, Notice)]


def properties(services, text):
    return {row["property"]: row["value"] for row in services.rows(text)}


def test_fit_goes_on_from_the_model_and_gives_the_row_of_a_build(services, spoken, ready_model):
    (row,) = services.rows(f"FIT MODEL {ready_model} USING {ready_model} OPTIONS (epochs=2) {spoken}")
    (spec,) = services.trainer.specs
    assert (spec.kind, spec.model, spec.base, spec.epochs) == (JobKind.FIT, ready_model, ready_model, 2)
    assert services.trainer.rows == [{"audio_path": "audio/x.wav", "text": "hello"}]
    assert (row["model"], row["wer"]) == (ready_model, 0.25)


def test_fit_makes_a_model_ready_first_that_is_not(services, spoken):
    name = f"pending_{uuid.uuid4().hex[:6]}"
    version = services.catalog.reserve_model_version(name)
    services.catalog.register_model(Model(name, version, "Wav2Vec2En", "a/b", ModelState.PENDING))
    events = services.run(f"FIT MODEL further USING {name} {spoken}")
    assert [spec.kind for spec in services.trainer.specs] == [JobKind.EXPORT, JobKind.FIT]
    assert services.trainer.specs[1].base == name
    assert any("made ready" in text for text in notices(events))


def test_list_jobs_shows_what_they_do_and_how_far_they_are(services, job):
    done, running, waiting = job(JobState.SUCCEEDED), job(JobState.RUNNING), job(kind=JobKind.FIT)
    services.trainer.progress = {
        done: JobProgress(done, Progress("check the export", 1, 1), 70),
        running: JobProgress(running, Progress("train", 120, 400, "steps", 2.5, 112.0), 55, True),
    }
    first, second, third = services.rows("LIST JOBS")[:3]
    assert [row["id"] for row in (first, second, third)] == [waiting[:8], running[:8], done[:8]]
    assert (first["state"], first["kind"], first["progress"]) == ("queued", "fit", "waits for 1 job")
    assert (second["state"], second["progress"]) == ("running", "train: 120 of 400 steps")
    assert (second["rate"], second["seconds_left"], second["attempts"]) == (2.5, 112.0, 1)
    assert (second["trainer"], second["statement"]) == ("played", "BUILD MODEL of_a_job …")
    assert (third["state"], third["progress"], third["rate"]) == ("succeeded", "", None)


def test_jobs_are_listed_where_their_trainer_is_away(services, job):
    id = job(JobState.FAILED)
    services.stop_trainer()
    events = services.run("LIST JOBS")
    assert any("is not shown" in text for text in notices(events))
    assert id[:8] in [row["id"] for row in services.rows("LIST JOBS")]


def test_describe_job_shows_its_figures_and_why_it_failed(services, job):
    id = job(JobState.FAILED, error="memory ran out", statement="BUILD MODEL of_a_job USING Wav2Vec2En AS …")
    progress = Progress("train", 7, 9, "steps", 0.5, 4.0, {"loss": 1.25, "memory_bytes": 1e9})
    services.trainer.progress = {id: JobProgress(id, progress, 12, resumable=True)}
    shown = properties(services, f"DESCRIBE JOB {id[:8]}")
    assert shown["id"] == id
    assert (shown["state"], shown["error"], shown["resumable"]) == ("failed", "memory ran out", "true")
    assert (shown["progress.phase"], shown["progress.seconds_left"], shown["progress.loss"]) == ("train", "4", "1.25")
    assert shown["progress.memory_bytes"] == "1e+09"
    assert (shown["option.epochs"], shown["option.learning_rate"]) == ("5", None)
    assert shown["statement"].startswith("BUILD MODEL of_a_job USING")


def test_cancel_job_stops_it_and_says_that_it_can_be_resumed(services, job):
    id = job(JobState.RUNNING)
    events = services.run(f"CANCEL JOB {id[:4].upper()}" if not clash(services, id) else f"CANCEL JOB {id}")
    assert services.trainer.cancelled == [id]
    assert notices(events) == [f"RESUME JOB {id[:8]} goes on with it from its last checkpoint."]
    assert events[-1].message == "Success"


def clash(services, id):
    return sum(job.id.startswith(id[:4]) for job in services.catalog.list_jobs()) > 1


def test_cancel_of_a_job_that_has_ended_says_how_it_ended(services, job):
    id = job(JobState.SUCCEEDED)
    events = services.run(f"CANCEL JOB {id}")
    assert Notice(f"Job {id[:8]} had ended: succeeded.", Severity.WARNING) in events
    assert services.trainer.cancelled == []


def test_resume_job_follows_it_from_where_it_was_and_gives_its_row(services, job):
    id = job(JobState.CANCELLED)
    services.trainer.progress = {id: JobProgress(id, Progress("train", 2, 4, "steps"), 3, resumable=True)}
    events = services.run(f"RESUME JOB {id}")
    assert services.trainer.resumed == [id]
    assert services.trainer.watched_from == [3]
    # A reader that is slow is spared what a later progress replaces.
    assert [event.done for event in events if isinstance(event, Progress)] in ([3, 4], [4])
    assert events[-1].rows == 1


def test_resume_of_a_job_that_runs_follows_it(services, job):
    id = job(JobState.RUNNING)
    events = services.run(f"RESUME JOB '{id}'")
    assert notices(events)[0] == f"Job {id[:8]} is running; it is followed."
    assert events[-1].rows == 1


def test_a_resumed_job_that_fails_says_why(services, job):
    id = job(JobState.FAILED, error="of old")
    services.trainer.fails = "memory ran out again"
    error = services.fails(f"RESUME JOB {id}")
    assert isinstance(error, JobFailed)
    assert error.message == "memory ran out again"


def test_a_job_whose_rows_are_gone_is_not_resumed_and_the_statement_shows_where_it_stands(services, job):
    id = job(JobState.FAILED)
    services.trainer.forgot = True
    error = services.fails(f"RESUME JOB\n  {id}")
    assert isinstance(error, DataError)
    assert (error.line, error.column) == (2, 3)
    assert "Run its statement again" in error.hint


def test_a_job_that_has_succeeded_is_not_resumed(services, job):
    error = services.fails(f"RESUME JOB {job(JobState.SUCCEEDED)}")
    assert isinstance(error, DataError)
    assert "nothing to resume" in error.message


def test_interrupting_a_resume_cancels_the_job(services, job):
    id = job(JobState.CANCELLED)
    services.trainer.never_ends = True
    query_id = str(uuid.uuid4())

    def cancel():
        while not services.trainer.watched_from:
            time.sleep(0.01)
        services.client.cancel(query_id)

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(Cancelled):
        list(services.client.execute(f"RESUME JOB {id}", query_id))
    assert services.trainer.cancelled == [id]


def test_a_job_that_there_is_not_is_shown_with_the_newest(services, job):
    newest = job()
    error = services.fails("DESCRIBE JOB nothing")
    assert isinstance(error, NotFound)
    assert error.message == "there is no job nothing"
    assert f"the newest are: {newest[:8]}" in error.hint
    assert (error.line, error.column) == (1, 14)


def test_too_little_of_an_id_is_refused(services, job):
    id = job(id=f"a{uuid.uuid4().hex[1:]}")
    error = services.fails(f"CANCEL JOB {id[:3]}")
    assert isinstance(error, NotFound)
    assert "at least 4 characters" in error.hint


def test_an_id_that_is_not_clear_is_refused_with_more_of_those_it_may_be(services, job):
    prefix = uuid.uuid4().hex[:6]
    first, second = job(id=f"{prefix}1a"), job(id=f"{prefix}2b")
    error = services.fails(f"CANCEL JOB {prefix}")
    assert isinstance(error, StatementError)
    assert error.message == f"2 jobs begin with {prefix}"
    assert first in error.hint
    assert second in error.hint
    # A whole id is clear, even where it is the beginning of another.
    job(id=f"{first}ff")
    assert properties(services, f"DESCRIBE JOB {first}")["id"] == first


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress("train", 120, 400, "steps"), "train: 120 of 400 steps"),
        (Progress("download", 1234567, unit="bytes"), "download: 1.23457e+06 bytes"),
        (Progress("export", 0, 1), "export"),
    ],
)
def test_progress_is_told_in_words(progress, said):
    assert describe_progress(progress) == said
