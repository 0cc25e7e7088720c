"""The graph in int8 goes along with a version where it hears as well as that in fp32, and only there."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from thanosql.audio import read_audio
from thanosql.ctc import decode_text
from thanosql.held_out import SampleClip
from thanosql.modelstore import GRAPH, ModelDescription
from thanosql.quantisation import FOLDER
from thanosql.types import Progress
from trainer_service.bases.checkpoints import load_folder
from trainer_service.export.export import new_description, write_version
from trainer_service.export.graph import Waveform
from trainer_service.export.int8 import write_int8


@dataclass
class Version:
    folder: Path
    description: ModelDescription
    clips: list[Waveform]
    texts: list[str]
    """What the version hears in fp32: letters without sense, for its weights are random."""

    def sample(self, texts: list[str]) -> list[SampleClip]:
        return [SampleClip(clip, text) for clip, text in zip(self.clips, texts, strict=True)]


@pytest.fixture(scope="module")
def exported(small_checkpoints: dict[str, Path], checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    checkpoint = load_folder(small_checkpoints["layer"])
    with torch.no_grad():
        # So that it says something, and is unsure of it.
        checkpoint.model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(1))
    store = tmp_path_factory.mktemp("store")
    description = new_description("m", 1, class_name="", base="", report={})
    description = write_version(store, checkpoint, description)
    clips = [read_audio(checkout / f"tutorial_data/librispeech_data/00{number}.flac") for number in range(3)]
    graph = checkpoint.graph().eval()
    with torch.no_grad():
        heard = [graph(torch.from_numpy(clip[None]), torch.tensor([len(clip)])).tokens[0].numpy() for clip in clips]
    return Version(store / "m" / "1", description, clips, [decode_text(tokens, description) for tokens in heard])


@pytest.fixture
def version(exported: Version, tmp_path: Path) -> Version:
    """A copy to work on."""
    shutil.copytree(exported.folder, tmp_path / "1")
    return replace(exported, folder=tmp_path / "1")


def tick(seconds: float) -> Callable[[], float]:
    return itertools.count(0.0, seconds).__next__


def test_it_is_kept_where_it_hears_as_well(version: Version) -> None:
    # Neither hears anything of this, so it loses nothing.
    sample = version.sample(["something " * 500] * 3)
    told: list[Progress] = []
    report = write_int8(version.folder, version.description, sample, told.append)
    assert report["kept"]
    assert {file.name for file in (version.folder / FOLDER).iterdir()} == {GRAPH, f"{GRAPH}.data"}
    assert (report["wer"], report["fp32_wer"], report["clips"]) == (1.0, 1.0, 3)
    assert 0 < report["megabytes"] < report["fp32_megabytes"]
    assert report["times_as_fast"] > 0
    assert [(each.phase, each.done) for each in told] == [
        *(("quantise", 0), ("quantise", 1)),
        *(("hear int8", 1), ("hear int8", 2), ("hear int8", 3)),
    ]


def test_it_is_removed_where_it_loses_words(version: Version) -> None:
    before = {file.name for file in version.folder.iterdir()}
    report = write_int8(version.folder, version.description, version.sample(version.texts), lambda _: None)
    assert not report["kept"]
    assert report["fp32_wer"] == 0.0
    assert "beyond the limit of 0.3 points" in report["reason"]
    assert {file.name for file in version.folder.iterdir()} == before


def test_no_more_is_heard_than_time_allows(version: Version) -> None:
    report = write_int8(
        version.folder, version.description, version.sample(["x"] * 3), lambda _: None, clock=tick(1), listen_seconds=2
    )
    assert report["clips"] == 1
    assert report["times_as_fast"] == 1.0


def test_a_graph_that_cannot_be_quantised_costs_the_version_nothing(version: Version) -> None:
    (version.folder / GRAPH).write_bytes(b"noise" * 500)
    before = {file.name for file in version.folder.iterdir()}
    report = write_int8(version.folder, version.description, version.sample(["x"] * 3), lambda _: None)
    assert not report["kept"]
    assert "cannot be quantised to int8" in report["reason"]
    assert {file.name for file in version.folder.iterdir()} == before
