"""Installations whose services are killed, one over files and one over PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults.installation import Installation
from tests.faults.speech import HEARER, Recordings, write_hearer, write_tables
from tests.faults.trials import Bench, PredictTrial
from thanosql.types import Model

NUMBERS = {"files": 1_000_000, "postgres": 200_000}
"""Rows of the table that statements copy."""


@pytest.fixture(scope="module", params=["files", pytest.param("postgres", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Four services, tables, a model and recordings."""
    store: str = request.param
    environment: dict[str, str] = {}
    if store == "postgres":
        database: Callable[[], sa.URL] = request.getfixturevalue("postgres_database")
        url = database().set(drivername="postgresql").render_as_string(hide_password=False)
        environment = {"THANOSQL_CATALOG_TABLES": url, "THANOSQL_CATALOG_DATABASE": url}
    with ExitStack() as stack:
        yield make_bench(stack, tmp_path_factory.mktemp("faults"), checkout, NUMBERS[store], environment)


def make_bench(stack: ExitStack, folder: Path, checkout: Path, numbers: int, environment: dict[str, str]) -> Bench:
    """An installation in a folder, which is stopped with the stack."""
    installation = Installation(folder, environment)
    stack.callback(installation.close)
    write_hearer(installation.state / "models")
    write_tables(installation.workspace, numbers)
    recordings = Recordings(checkout / "tutorial_data", installation.workspace)
    installation.start()
    bench = Bench(
        installation,
        installation.open_session(),
        installation.open_session(),
        installation.ask_catalog(),
        installation.ask_inference(),
        recordings,
        checkout / "trainer_service" / "bundled" / "wav2vec2-tiny-en",
        numbers,
    )
    bench.catalog.register_model(Model(HEARER, 1, "Test", "test"))
    for name in ("clips", "learn", "numbers"):
        bench.run(f"COPY {name} FROM '{name}.csv'")
    bench.renew_recordings()
    bench.texts = [row[-1] for row in bench.run(PredictTrial().text)]
    return bench
