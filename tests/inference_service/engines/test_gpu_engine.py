"""Transcription on a GPU: a clip says the same there as on the CPU, and the same alone as in company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from inference_service.engines.engine import Engine, EngineChoice, Samples, choose_device, open_engine
from inference_service.speech.decode import FrameScores
from thanosql.audio import read_audio
from thanosql.modelstore import read_description

pytestmark = pytest.mark.skipif(choose_device("auto") != "cuda", reason="needs a GPU")


@pytest.fixture(params=["tiny", "grouped"])
def engines(request: pytest.FixtureRequest, store: Path) -> Iterator[tuple[Engine, Engine]]:
    folder = store / request.param / "1"
    opened = [open_engine(folder, read_description(folder), EngineChoice(device)) for device in ("cuda", "cpu")]
    yield opened[0], opened[1]
    for engine in opened:
        engine.close()


@pytest.fixture
def clips(checkout: Path) -> list[Samples]:
    folder = checkout / "tutorial_data" / "librispeech_data"
    spoken = [read_audio(folder / f"{number:03d}.flac") for number in (0, 7, 3)]
    return [*spoken, spoken[0][:400], np.concatenate(spoken)]


def gap(left: Sequence[FrameScores], right: Sequence[FrameScores]) -> float:
    """The largest difference of a log-probability."""
    pairs = [(a.log_probs, b.log_probs) for a, b in zip(left, right, strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs if a is not None and b is not None)


def test_the_gpu_computes_and_not_the_cpu_in_its_place(engines: tuple[Engine, Engine]) -> None:
    assert "CUDAExecutionProvider" in engines[0]._session.get_providers()  # type: ignore[attr-defined]


def test_a_clip_gives_the_same_alone_and_in_company_on_a_gpu(
    engines: tuple[Engine, Engine], clips: list[Samples]
) -> None:
    together = engines[0].run(clips, log_probs=True)
    alone = [engines[0].run([clip], log_probs=True)[0] for clip in clips]
    assert gap(together, alone) < 1e-4


def test_a_clip_gives_the_same_on_a_gpu_as_on_the_cpu(engines: tuple[Engine, Engine], clips: list[Samples]) -> None:
    assert gap(engines[0].run(clips, log_probs=True), engines[1].run(clips, log_probs=True)) < 1e-3
