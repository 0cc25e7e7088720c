"""The same transcripts by our own API, by the Open Inference Protocol, and by a Triton that serves an export."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from inference_service.__main__ import start as start_inference
from inference_service.config import InferenceConfig
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from query_service.running.arrow import read_rows
from thanosql import Session, errors
from thanosql.audio import read_audio
from thanosql.clients import CatalogClient, QueryClient
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists, Model, Rows

MODEL = "tutorial_audio_recognition"
PREDICT = (
    f"PREDICT USING {MODEL} OPTIONS (confidence_col='confidence', words_col='words', error_col='error', cache=False) "
    "AS SELECT * FROM recordings"
)
TOKEN = "secret"

Predict = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ready(session: Session, workspace: Path) -> Path:
    """The workspace, in whose model store the bundled model is."""
    session.sql(f"PREDICT USING {MODEL} AS SELECT * FROM librispeech_test LIMIT 1")
    return workspace


@pytest.fixture(scope="module")
def recordings(ready: Path) -> Path:
    """The tutorial's test table, then a recording of more than a minute and one that is none."""
    folder = ready / "more"
    folder.mkdir()
    lines = (ready / "tutorial_data/librispeech_data/librispeech_test.csv").read_text("utf-8").splitlines()
    paths = [line.split(",")[0] for line in lines[1:]]
    pause = np.zeros(8_000, np.float32)
    parts = [part for path in paths[:14] for part in (read_audio(ready / path), pause)]
    soundfile.write(folder / "long.flac", np.concatenate(parts), 16_000)
    (folder / "broken.wav").write_bytes(b"not audio")
    csv = folder / "recordings.csv"
    csv.write_text("\n".join(["audio_path", *paths, "more/long.flac", "more/broken.wav", ""]), "utf-8")
    return csv


@pytest.fixture(scope="module")
def predict(ready: Path, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predict]:
    """Runs PREDICT over the recordings through a query_service whose setting `inference` is the argument."""
    common: dict[str, Any] = {"port": 0, "token": TOKEN, "workspace": ready, "grace": 5.0}
    state = tmp_path_factory.mktemp("state")
    with ExitStack() as stack:

        def started(server: Any) -> str:
            stack.callback(server.stop, 0)
            return str(server.address)

        def opened(address: str) -> Any:
            return stack.enter_context(open_channel(address, TOKEN))

        catalog = started(start_catalog(CatalogConfig(**common, state=state)))
        own = started(
            start_inference(
                InferenceConfig(
                    **common, state=ready / ".thanosql", device="cpu", engine="onnxruntime", calibration_seconds=0.0
                )
            )
        )
        client = CatalogClient(opened(catalog))
        client.register_model(Model(MODEL, 1, "Wav2Vec2En", "bundled"))
        list(client.copy_table("recordings", recordings.relative_to(ready).as_posix(), IfExists.FAIL))

        def run(inference: str) -> list[dict[str, Any]]:
            inference = inference.replace("OWN", own)
            query = started(start_query(QueryConfig(**common, state=state, catalog=catalog, inference=inference)))
            events = QueryClient(opened(query)).execute(PREDICT)
            batches = [batch for each in events if isinstance(each.event, Rows) for batch in read_rows(each.event)]
            return [row for batch in batches for row in batch.to_pylist()]

        yield run


@pytest.fixture(scope="module")
def expected(predict: Predict) -> list[dict[str, Any]]:
    """What inference_service says by its own API."""
    rows = predict("OWN")
    assert len(rows) == 22
    assert all(row["predicted"] for row in rows[:21])
    assert rows[21]["predicted"] is None
    return rows


def assert_same(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for row, wanted in zip(rows, expected, strict=True):
        confidence = wanted["confidence"]
        assert row == {**wanted, "confidence": None if confidence is None else pytest.approx(confidence, abs=1e-4)}


def test_the_open_inference_protocol_gives_the_same_rows_as_our_own(predict: Predict, expected: Any) -> None:
    assert_same(predict("oip://OWN"), expected)


def test_export_model_writes_a_repository_under_the_workspace(session: Session, ready: Path) -> None:
    result = session.sql(f"EXPORT MODEL {MODEL} TO 'exports/triton'")
    folder = ready / "exports" / "triton" / MODEL
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert result.message == f"Success: exports/triton/{MODEL}, {size} bytes"
    with pytest.raises(errors.NameTaken, match="holds a model"):
        session.sql(f"EXPORT MODEL {MODEL} TO 'exports/triton'")
    with pytest.raises(errors.PathRefused):
        session.sql(f"EXPORT MODEL {MODEL} TO '../triton'")


@pytest.mark.slow
@pytest.mark.parametrize("batch_rows", [1, 8], ids=["one by one", "in batches"])
def test_triton_gives_the_same_rows_from_the_exported_repository(
    serve_triton: Callable[[Path], AbstractContextManager[str]],
    session: Session,
    ready: Path,
    predict: Predict,
    expected: Any,
    tmp_path: Path,
    batch_rows: int,
) -> None:
    session.sql(f"EXPORT MODEL {MODEL} TO 'exports/{batch_rows}'")
    repository = shutil.copytree(ready / "exports" / str(batch_rows), tmp_path / "repository")
    config = repository / MODEL / "config.pbtxt"
    text, found = re.subn(
        r'(max_batch_size: |"batch_rows" value { string_value: ")\d+', rf"\g<1>{batch_rows}", config.read_text("utf-8")
    )
    assert found == 2
    config.write_text(text, "utf-8")
    with serve_triton(repository) as address:
        assert_same(predict(f"oip://{address}"), expected)
