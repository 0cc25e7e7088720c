"""The pages of metrics tell what the statements did; LIST JOBS and they agree, while work goes on and after it."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.telemetry.conftest import Observed
from tests.telemetry.installation import Installation
from tests.telemetry.pages import Page, written_by
from thanosql import ThanoSQLError
from thanosql.gateway.metrics import FAMILIES

LONG_BUILD = (
    "BUILD MODEL {} USING Wav2Vec2EnTiny OPTIONS (epochs=5000, batch_size=4, eval_fraction=0) "
    "AS SELECT audio_path, text FROM librispeech_train LIMIT 4"
)


@pytest.fixture(scope="module")
def pages(observed: Observed) -> dict[str, Page]:
    return {name: Page(text) for name, text in observed.running.metrics().items()}


def test_the_query_service_counts_statements_rows_clips_and_errors(pages: dict[str, Page]) -> None:
    page = pages["query"]
    for kind, number in {"COPY": 2, "BUILD MODEL": 1, "PREDICT": 2}.items():
        assert page.sum("thanosql_statements_total", kind=kind, ending="succeeded") == number
        assert page.sum("thanosql_statement_seconds_count", kind=kind) == number
        assert page.sum("thanosql_statements_running", kind=kind) == 0
    assert page.sum("thanosql_statement_rows_total", kind="PREDICT") == 14
    assert page.sum("thanosql_statements_total", kind="SELECT", ending="failed") == 1
    assert page.sum("thanosql_statements_total", kind="unread", ending="failed") == 1
    assert page.values("thanosql_statement_errors_total", "error") == {"UnknownTable": 1, "StatementSyntaxError": 1}
    # The first time six are heard, the second time they are known; one is not there at all.
    assert page.values("thanosql_clips_total", "source") == {"transcribed": 6, "cached": 6, "failed": 2}
    assert page.sum("thanosql_event_log_bytes", where="memory") > 0
    assert page.sum("thanosql_queries_held") >= 7


def test_what_statements_heard_is_what_the_model_has_computed(pages: dict[str, Page]) -> None:
    heard = pages["query"].sum("thanosql_clip_audio_seconds_total")
    assert heard > 0
    assert pages["inference"].sum("thanosql_audio_seconds_total", model="heard") == pytest.approx(heard, abs=0.01)
    assert pages["inference"].sum("nv_inference_request_success", model="heard") == 6


def test_the_catalog_counts_what_it_holds(pages: dict[str, Page]) -> None:
    page = pages["catalog"]
    assert page.sum("thanosql_database_up") == 1
    assert page.sum("thanosql_tables") == 2
    assert page.sum("thanosql_models", state="ready") == 1
    assert page.sum("thanosql_transcripts") == 6
    assert page.sum("thanosql_jobs", state="succeeded") == page.sum("thanosql_jobs") == 1


def test_every_service_counts_its_calls_and_tells_of_its_process(observed: Observed, pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        before = Page(observed.before[name])
        assert page.sum("process_resident_memory_bytes") > 1e7
        assert page.sum("process_cpu_seconds_total") > before.sum("process_cpu_seconds_total")
        assert page.sum("process_open_fds") > 3
        assert abs(page.sum("process_start_time_seconds") - time.time()) < 3600
    assert pages["query"].sum("thanosql_calls_total", method="QueryService/Execute", code="OK") >= 5
    assert pages["query"].sum("thanosql_calls_total", method="QueryService/Execute", code="NOT_FOUND") == 1
    assert pages["inference"].sum("thanosql_call_seconds_count", method="InferenceService/Transcribe") == 1
    assert pages["trainer"].sum("thanosql_calls_total", method="TrainerService/SubmitJob", code="OK") == 1
    assert pages["catalog"].sum("thanosql_calls_running", method="CatalogService/Query") == 0


def test_the_trainer_counts_the_jobs_that_end(pages: dict[str, Page]) -> None:
    page = pages["trainer"]
    assert page.sum("thanosql_trainer_jobs_total", kind="build", ending="succeeded") == 1
    assert page.sum("thanosql_trainer_jobs_running") == 0
    assert not page.has("thanosql_training_steps")


def list_jobs(running: Installation) -> Any:
    return running.session.sql("LIST JOBS").to_pandas()


def wait_for_steps(running: Installation) -> Any:
    """LIST JOBS, once a training takes steps and another waits."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        jobs = list_jobs(running)
        said = jobs["progress"].fillna("")
        if said.str.startswith("train: ").any() and (jobs["state"] == "queued").any():
            return jobs
        time.sleep(0.2)
    raise AssertionError(f"no training takes steps:\n{jobs}")


@pytest.mark.slow
def test_list_jobs_and_the_metrics_agree_while_trainings_run_and_after(observed: Observed) -> None:
    running = observed.running
    ended: list[ThanoSQLError] = []

    def build(name: str) -> None:
        try:
            running.session.sql(LONG_BUILD.format(name))
        except ThanoSQLError as error:
            ended.append(error)

    threads = [threading.Thread(target=build, args=(name,)) for name in ("endless", "waiting")]
    for thread in threads:
        thread.start()
    jobs = wait_for_steps(running)
    pages = {name: Page(text) for name, text in running.metrics().items()}
    states = Counter(jobs["state"])
    assert (states["running"], states["queued"]) == (1, 1)
    for state, number in pages["catalog"].values("thanosql_jobs", "state").items():
        assert number == states[state], state
    assert pages["query"].sum("thanosql_statements_running", kind="BUILD MODEL") == 2
    trainer = pages["trainer"]
    assert trainer.values("thanosql_trainer_jobs_running", "kind") == {"build": 1, "fit": 0, "export": 0}
    row = jobs[jobs["state"] == "running"].iloc[0]
    done, planned = (float(word) for word in row["progress"].removeprefix("train: ").split() if word.isdigit())
    assert trainer.sum("thanosql_training_steps_planned") == planned
    assert done <= trainer.sum("thanosql_training_steps") < planned
    for name in ("loss", "steps_per_second", "left_seconds", "resident_memory_bytes", "peak_memory_bytes"):
        assert trainer.sum(f"thanosql_training_{name}") > 0, name
    assert trainer.values("thanosql_training_phase", "phase") == {"train": 1}

    for id in jobs[~jobs["state"].isin(["succeeded"])]["id"]:
        running.session.sql(f"CANCEL JOB {id}")
    for thread in threads:
        thread.join(60)
    assert len(ended) == 2
    states = Counter(list_jobs(running)["state"])
    pages = {name: Page(text) for name, text in running.metrics().items()}
    assert states["cancelled"] == 2
    for state, number in pages["catalog"].values("thanosql_jobs", "state").items():
        assert number == states[state], state
    assert pages["query"].sum("thanosql_statements_total", kind="BUILD MODEL", ending="cancelled") == 2
    assert pages["query"].sum("thanosql_statements_running") == 0
    assert pages["trainer"].sum("thanosql_trainer_jobs_total", ending="cancelled") == 2


def test_the_page_on_metrics_lists_those_that_the_services_declare(observed: Observed, checkout: Path) -> None:
    listed = (checkout / "docs" / "metrics.md").read_text("utf-8")
    assert listed == written_by(checkout / "docs" / "write_metrics.py"), "run python docs/write_metrics.py"
    named = set(re.findall(r"^\| `(\w+)`", listed, re.MULTILINE))
    of_the_gateway = {name for name in named if name.startswith("thanosql_http_")}
    assert of_the_gateway == {family.name for family in FAMILIES}
    assert named - of_the_gateway == Page(*observed.before.values()).declared
