"""One installation that has built a model and used it, for all tests of what it told of that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.telemetry.collector import Collector, collecting
from tests.telemetry.installation import Installation, installed
from thanosql import ThanoSQLError

SECRET = "what only its user knows"
BUILD = (
    "BUILD MODEL heard USING Wav2Vec2EnTiny OPTIONS (epochs=2, batch_size=4, eval_fraction=0.25, seed=1) "
    f"AS SELECT audio_path, text FROM librispeech_train WHERE text <> '{SECRET}' LIMIT 8"
)
PREDICT = f"PREDICT USING heard AS SELECT * FROM clips WHERE audio_path <> '{SECRET}'"


@dataclass(frozen=True)
class Observed:
    """An installation and what it has told so far."""

    running: Installation
    collector: Collector
    before: dict[str, str]
    """The pages of metrics before the first statement."""


@pytest.fixture(scope="package")
def observed(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[Observed]:
    """Services that have copied tables, built a model, transcribed six recordings twice, and refused a statement."""
    folder = tmp_path_factory.mktemp("installation")
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copytree(checkout / "tutorial_data", workspace / "tutorial_data")
    names = [f"tutorial_data/librispeech_data/{number:03d}.flac" for number in range(6)]
    (workspace / "clips.csv").write_text("\n".join(["audio_path", *names, "nowhere.wav", ""]), "utf-8")
    with collecting() as collector, installed(folder, workspace, collector.endpoint) as running:
        before = running.metrics()
        session = running.session
        session.sql("COPY librispeech_train FROM 'tutorial_data/librispeech_data/librispeech_train.csv'")
        session.sql("COPY clips FROM 'clips.csv'")
        session.sql(BUILD)
        session.sql(PREDICT)
        session.sql(PREDICT)
        for mistake in ("SELECT * FROM nowhere", "SELEKT 1"):
            with pytest.raises(ThanoSQLError):
                session.sql(mistake)
        yield Observed(running, collector, before)
