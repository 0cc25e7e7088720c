"""The exported graph says what the network says, or nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from thanosql.errors import JobFailed
from thanosql.modelstore import ModelDescription, read_description
from trainer_service.bases.checkpoints import load_folder
from trainer_service.export.export import new_description, write_version
from trainer_service.export.parity import Parity, measure_parity, open_session, probe_clips, require_parity


def describe(name: str) -> ModelDescription:
    return new_description(name, 3, class_name="Test", base="random@1", report={"rows": 2})


# Quicker for "group": trainer_service/test_service exports a model of that kind, and inference_service runs one.
@pytest.fixture(scope="module", params=[pytest.param("group", marks=pytest.mark.slow), "layer"])
def version(
    request: pytest.FixtureRequest, small_checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, ModelDescription]:
    """A checkpoint, the folder of the version made of it, and its description."""
    store, source = tmp_path_factory.mktemp("store"), small_checkpoints[request.param]
    return source, store / "m" / "3", write_version(store, load_folder(source), describe("m"))


Version = tuple[Path, Path, ModelDescription]


def test_a_version_holds_checkpoint_graph_and_description(version: Version) -> None:
    _, folder, written = version
    assert {"config.json", "model.safetensors", "vocab.json", "model.onnx", "model.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in folder.iterdir())
    assert read_description(folder) == written
    assert (written.blank, written.word_delimiter, written.special) == (0, 4, (1, 2, 3))
    assert written.vocabulary[:6] == ("<pad>", "<s>", "</s>", "<unk>", "|", "E")
    assert (written.frame_samples, written.receptive_samples, written.sample_rate) == (320, 400, 16_000)
    assert written.parity["onnx"] < 1e-4
    assert written.parity["batch"] < 1e-4


def test_parity_is_told_for_each_length_with_the_report(version: Version) -> None:
    _, _, written = version
    parity = written.report["parity"]
    assert parity == written.parity
    assert [each["seconds"] for each in parity["lengths"]] == [0.31, 0.62, 1.0, 2.08]
    for figure in ("onnx", "batch"):
        assert parity[figure] == max(each[figure] for each in parity["lengths"])
    assert written.report["rows"] == 2


def test_the_written_graph_takes_any_batch_and_any_padding(version: Version) -> None:
    session = open_session(version[1] / "model.onnx")
    waveform = np.random.default_rng(1).standard_normal((3, 24_000), np.float32)
    lengths = np.array([24_000, 1_600, 400], np.int64)
    waveform[1, 1_600:] = np.nan
    log_probs, frames, tokens, scores = session.run(None, {"waveform": waveform, "lengths": lengths})
    assert frames.tolist() == [74, 4, 1]
    (alone,) = session.run(["log_probs"], {"waveform": waveform[1:2, :1_600], "lengths": lengths[1:2]})
    np.testing.assert_allclose(log_probs[1, :4], alone[0], atol=1e-4)
    assert np.array_equal(tokens, log_probs.argmax(-1))
    assert np.array_equal(scores, log_probs.max(-1))


def test_the_saved_checkpoint_is_an_ordinary_one(version: Version) -> None:
    source, folder, _ = version
    again = load_folder(folder).model.state_dict()
    for name, value in load_folder(source).model.state_dict().items():
        assert torch.equal(again[name], value), name


@pytest.mark.parametrize("parity", [Parity(0.1, 0.0), Parity(0.0, 0.01), Parity(float("nan"), 0.0)])
def test_a_difference_above_its_tolerance_fails_the_job(parity: Parity) -> None:
    with pytest.raises(JobFailed, match="differ by"):
        require_parity(parity)


def test_a_graph_that_says_something_else_is_found_out(version: Version) -> None:
    source, folder, _ = version
    checkpoint = load_folder(source)
    assert measure_parity(checkpoint.graph().eval(), folder / "model.onnx", probe_clips()).onnx < 1e-4
    with torch.no_grad():
        checkpoint.model.lm_head.bias[3] += 0.1
    assert measure_parity(checkpoint.graph().eval(), folder / "model.onnx", probe_clips()).onnx > 0.01


@pytest.mark.slow
def test_a_diverged_model_leaves_no_version(small_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = load_folder(small_checkpoints["layer"])
    with torch.no_grad():
        checkpoint.model.lm_head.weight[3] = float("nan")
    with pytest.raises(JobFailed, match="differ by nan"):
        write_version(tmp_path, checkpoint, describe("m"))
    assert list((tmp_path / "m").iterdir()) == []
