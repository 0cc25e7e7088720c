"""A base that knows one alphabet is trained on transcripts in another: from BUILD to PREDICT."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from thanosql import Result, Session
from thanosql.modelstore import read_description, version_folder

# A new output layer is tried by itself in tests/trainer_service/bases.
pytestmark = pytest.mark.slow

TEXTS = ("안녕하세요 여러분", "여러분 안녕", "안녕하세요", "하세요 여러분")
LETTERS = sorted({*"".join(TEXTS)} - {" "})


@pytest.fixture(scope="module")
def built(session: Session, workspace: Path) -> Iterator[Result]:
    """A model `korean`, built from the English base on noises that are said to be Korean."""
    (workspace / "korean").mkdir()
    noise = np.random.default_rng(0)
    with (workspace / "korean" / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audio_path", "text"])
        for number in range(12):
            soundfile.write(workspace / f"korean/{number}.wav", noise.uniform(-0.3, 0.3, 24_000), 16_000)
            rows.writerow([f"korean/{number}.wav", TEXTS[number % len(TEXTS)]])
    session.sql("COPY korean OPTIONS (overwrite=True) FROM 'korean/rows.csv'")
    # The rate is next to nothing, so that the output layer stays as it was made: unsure, and talkative.
    yield session.sql(
        "BUILD MODEL korean USING Wav2Vec2EnTiny OPTIONS (epochs=1, learning_rate=1e-9, eval_fraction=0.2, "
        "overwrite=True) AS SELECT * FROM korean"
    )
    session.sql("DELETE MODEL korean")


def test_the_user_is_told_that_the_output_layer_is_new(built: Result) -> None:
    (notice,) = (each.text for each in built.notices if "another alphabet" in each.text)
    assert "replaced by a new one of 8 letters" in notice
    assert "".join(LETTERS) in notice


def test_the_vocabulary_is_that_of_the_transcripts(session: Session, built: Result, workspace: Path) -> None:
    description = read_description(version_folder(workspace / ".thanosql" / "models", "korean", 1))
    assert description.vocabulary[-len(LETTERS) :] == tuple(LETTERS)
    assert len(description.vocabulary) == 5 + len(LETTERS)
    assert description.report["dropped"] == {}


def test_what_is_predicted_is_written_in_it(session: Session, built: Result) -> None:
    said = {row.predicted for row in session.sql("PREDICT USING korean AS SELECT * FROM korean")}
    assert "".join(said)
    assert set("".join(said)) <= {" ", *LETTERS}
