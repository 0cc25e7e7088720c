"""Trainings and statements that are watched, cancelled, resumed and taken up, by statements of a session."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thanosql import Session, errors

OPTIONS = "OPTIONS (epochs=3, batch_size=8, eval_fraction=0.2, seed=1)"
ROWS = "AS SELECT * FROM librispeech_train LIMIT 20"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_is_cancelled_resumed_and_gone_on_from_by_statements(session: Session) -> None:
    ended: list[BaseException] = []

    def build() -> None:
        try:
            session.sql(f"BUILD MODEL watched USING Wav2Vec2EnTiny {OPTIONS} {ROWS}")
        except errors.ThanoSQLError as error:
            ended.append(error)

    building = threading.Thread(target=build)
    building.start()
    deadline = time.monotonic() + 200
    id = ""
    while time.monotonic() < deadline:
        jobs = session.sql("LIST JOBS").to_pandas()
        # Past the first epoch, so that there is a checkpoint.
        if len(jobs) and jobs["progress"][0].startswith("evaluate after epoch 2"):
            id = jobs["id"][0]
            break
        time.sleep(0.05)
    assert id, jobs
    assert (jobs["model"][0], jobs["state"][0], jobs["attempts"][0]) == ("watched", "running", 1)
    session.sql(f"CANCEL JOB {id}")
    building.join(30)
    (error,) = ended
    assert isinstance(error, errors.Cancelled)
    assert f"RESUME JOB {id}" in error.hint

    shown = session.sql(f"DESCRIBE JOB {id[:6]}").to_pandas().set_index("property")["value"]
    assert (shown["state"], shown["resumable"], shown["option.epochs"]) == ("cancelled", "true", "3")
    row = session.sql(f"RESUME JOB {id}").to_pandas().iloc[0]
    assert (row["model"], row["version"], row["train_rows"]) == ("watched", 1, 16)
    described = session.sql("DESCRIBE MODEL watched").to_pandas().set_index("property")["value"]
    assert described["report.epochs"] == "3"

    fitted = session.sql(f"FIT MODEL watched USING watched OPTIONS (epochs=1) {ROWS}").to_pandas().iloc[0]
    assert (fitted["model"], fitted["version"]) == ("watched", 2)
    described = session.sql("DESCRIBE MODEL watched").to_pandas().set_index("property")["value"]
    assert (described["class_name"], described["base"]) == ("Wav2Vec2EnTiny", "watched@1")
    kinds = session.sql("LIST JOBS").to_pandas()["kind"]
    assert list(kinds[:2]) == ["fit", "build"]
    with pytest.raises(errors.DataError, match="nothing to resume"):
        session.sql(f"RESUME JOB {id}")


TRANSCRIBE = "PREDICT USING tutorial_audio_recognition OPTIONS (cache=False) AS SELECT * FROM librispeech_train"
COUNT = "SELECT sum(a.i * b.i) AS s FROM generate_series(1, 1000000) AS a(i), generate_series(1, 1000000) AS b(i)"


@pytest.fixture
def large_csv(workspace: Path) -> str:
    (workspace / "large.csv").write_text("a,b\n" + "".join(f"{i},text {i}\n" for i in range(1_000_000)), "utf-8")
    return "large.csv"


def wait_for_row(session: Session, kind: str, suits: Callable[[Any], bool] = lambda row: True) -> Any:
    """The row of LIST JOBS for a statement of this kind that runs."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for row in session.sql("LIST JOBS", progress=False):
            if (row.kind, row.state) == (kind, "running") and suits(row):
                return row
        time.sleep(0.05)
    raise AssertionError(f"no {kind} runs")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "text", "suits"),
    [
        ("select", COUNT, lambda row: True),
        ("create table", f"CREATE TABLE never AS {COUNT}", lambda row: True),
        ("copy", "COPY never FROM 'large.csv'", lambda row: True),
        ("predict", TRANSCRIBE, lambda row: row.rate),
        ("create table", f"CREATE TABLE never AS SELECT * FROM ({TRANSCRIBE})", lambda row: row.rate),
        ("evaluate", TRANSCRIBE.replace("PREDICT", "EVALUATE"), lambda row: row.rate),
    ],
)
def test_a_statement_is_cancelled_from_elsewhere_and_leaves_nothing_behind(
    session: Session, large_csv: str, kind: str, text: str, suits: Callable[[Any], bool]
) -> None:
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            session.sql(text, progress=False)
            ended.append(None)
        except errors.ThanoSQLError as error:
            ended.append(error)

    running = threading.Thread(target=run)
    running.start()
    row = wait_for_row(session, kind, suits)
    cancelled = session.cancel(row.id)
    assert not any("has not ended yet" in notice.text for notice in cancelled.notices)
    running.join(20)
    (error,) = ended
    assert isinstance(error, errors.Cancelled)
    assert "cancelled by CANCEL JOB from " in error.message
    assert "never" not in [table.name for table in session.sql("LIST TABLE")]
    assert len(session.sql(f"{TRANSCRIBE} LIMIT 1", progress=False)) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_statement_outlives_its_client_that_was_killed_and_is_taken_up(session: Session, workspace: Path) -> None:
    client = subprocess.Popen(
        [sys.executable, "-m", "thanosql.cli", "sql", "--workspace", str(workspace), "-c", TRANSCRIBE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    row = wait_for_row(session, "predict", lambda row: row.rate)
    client.kill()
    client.wait()
    result = session.attach(row.id, progress=False)
    assert (result.kind, len(result)) == ("PREDICT", 80)
    assert result.id.startswith(row.id)
