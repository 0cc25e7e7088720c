"""What every test may use: the tutorial's data, a session over it, and real speech where it is at hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import thanosql
from thanosql import Session

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout; its tutorial_data/ is always there."""
    return CHECKOUT


@pytest.fixture(scope="session")
def speech() -> Path:
    """Real recordings with transcripts: librispeech/, accented/, digits_8khz/, each with test.csv."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not (folder / "librispeech" / "test.csv").exists():
        pytest.skip("needs the real recordings in ../shared/data, which are not part of the checkout")
    return folder


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of its own with the tutorial's data in it."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(CHECKOUT / "tutorial_data", folder / "tutorial_data")
    return folder


@pytest.fixture(scope="session")
def session(workspace: Path) -> Iterator[Session]:
    """A session in local mode, with the tutorial's tables loaded."""
    with thanosql.connect(workspace=workspace) as session:
        for name in ("librispeech_train", "librispeech_test"):
            session.sql(f"COPY {name} OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/{name}.csv'")
        yield session
