"""A session with the tables, files and models that the examples of the pages name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import thanosql
from thanosql import Session

ROWS = 6
"""Of the table `calls`: enough for an example, few enough for a moment."""


TABLES = """
    COPY calls OPTIONS (overwrite=True) FROM 'recordings/calls.csv';
    COPY recordings OPTIONS (overwrite=True) FROM 'recordings';
    CREATE OR REPLACE TABLE new_calls AS SELECT * FROM calls;
    CREATE OR REPLACE TABLE heard AS SELECT id, text FROM calls;
    DROP TABLE IF EXISTS transcripts;
    DROP TABLE IF EXISTS old_calls
"""
"""Makes the tables that examples name what they may expect, whatever other examples have done to them."""


@pytest.fixture(scope="session")
def documented_workspace(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """The tutorial's data; recordings/ with a csv about them; texts/ and new_calls.csv."""
    workspace = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("documented"), dirs_exist_ok=True))
    data = workspace / "tutorial_data" / "librispeech_data"
    _, *lines = (data / "librispeech_train.csv").read_text("utf-8").splitlines()
    texts = [line.partition(",")[2] for line in lines]
    (workspace / "recordings").mkdir()
    rows = ["id,audio_path,recording,text,speaker,held_out,minutes,day"]
    for number, text in enumerate(texts[:ROWS]):
        path = f"recordings/{number:03d}.flac"
        shutil.copyfile(data / f"{number:03d}.flac", workspace / path)
        speaker, held_out = ("anna", "ben")[number % 2], ("true", "false")[number % 2]
        rows.append(f"{number},{path},{path},{text},{speaker},{held_out},0.0{number},2026-01-0{number + 1}")
    (workspace / "recordings" / "calls.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (workspace / "texts").mkdir()
    (workspace / "texts" / "manual.txt").write_text("\n".join(texts) + "\n", "utf-8")
    return workspace


@pytest.fixture(scope="session")
def documented(documented_workspace: Path) -> Iterator[Session]:
    """A session in local mode, with the tutorial's model and the tables of the examples."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THANOSQL_INFERENCE_CALIBRATION_SECONDS", "0")
        session = thanosql.connect(workspace=documented_workspace)
    with session:
        for name in ("librispeech_train", "librispeech_test"):
            session.sql(
                f"COPY {name} OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/{name}.csv'", progress=False
            )
        session.sql(TABLES, progress=False)
        yield session
