"""A snapshot to check statements against, and pairs of a text and what becomes of it, read from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thanosql.types import Column, Model, ModelState, Snapshot, Table

HERE = Path(__file__).parent


def _table(name: str, /, **columns: str) -> Table:
    return Table(name, tuple(Column(*each) for each in columns.items()))


SNAPSHOT = Snapshot(
    tables=(
        _table("librispeech_train", audio_path="text", text="text"),
        _table("librispeech_test", audio_path="text", text="text"),
        _table("calls", id="bigint", recording="text", speaker="text", minutes="double precision"),
        _table("Old Calls", Path="text"),
    ),
    models=(
        Model("tutorial_audio_recognition", 1, "Wav2Vec2En", "", ModelState.PENDING),
        Model("my_model", 3, "Wav2Vec2En", "facebook/wav2vec2-base-960h"),
    ),
)


def read_pairs(name: str) -> Iterator[tuple[str, str, str]]:
    """Title, text and expectation of each `=== title`, text, `---`, expectation of a file."""
    for part in (HERE / name).read_text("utf-8").split("\n=== ")[1:]:
        title, rest = part.split("\n", 1)
        text, expectation = rest.split("\n---\n", 1)
        yield title, text, expectation.rstrip("\n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `pair` and is marked with `pairs("file")` runs once for each pair of the file."""
    marker = metafunc.definition.get_closest_marker("pairs")
    if marker is not None:
        pairs = list(read_pairs(marker.args[0]))
        metafunc.parametrize("pair", [pair[1:] for pair in pairs], ids=[pair[0] for pair in pairs])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(file): run once for each pair of a file")


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    """Three tables with folded names, one without, a model that is exported and one that is not."""
    return SNAPSHOT


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Every right statement of the pairs."""
    return [text for _, text, _ in read_pairs("plans.txt")]


@pytest.fixture
def message_of() -> Callable[[str], str]:
    """Kind and message of the error that a text ends with before anything runs, as its user reads it."""
    from query_service.analyze import analyze
    from query_service.dialect import parse
    from query_service.source import Source
    from thanosql.errors import ThanoSQLError

    def message_of(text: str) -> str:
        try:
            for statement in parse(text, longest=2_000):
                analyze(statement, SNAPSHOT, Source(text))
        except ThanoSQLError as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    return message_of
