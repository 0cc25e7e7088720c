"""A training that is watched, cancelled, resumed and gone on from, by statements of a session."""

from __future__ import annotations

import threading
import time

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
