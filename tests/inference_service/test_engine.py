"""The engine, with real graphs: a clip gives the same alone and in any company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference_service.engine import Engine, EngineChoice, choose_device, count_cores, open_engine
from thanosql.audio import read_audio
from thanosql.errors import DataError, InvalidOption
from thanosql.modelstore import GRAPH, read_description


def open_model(store: Path, name: str, choice: EngineChoice = EngineChoice()) -> Engine:  # noqa: B008
    folder = store / name / "1"
    return open_engine(folder, read_description(folder), choice)


@pytest.mark.parametrize("name", ["tiny", "grouped"])
def test_a_clip_gives_the_same_alone_and_in_any_company(name: str, store: Path, checkout: Path) -> None:
    folder = checkout / "tutorial_data" / "librispeech_data"
    clips = [read_audio(folder / f"{number:03d}.flac") for number in (0, 7, 3)]
    clips += [clips[0][:1600], np.concatenate(clips[:2])]
    engine = open_model(store, name)
    together = engine.run(clips)
    for clip, in_company in zip(clips, together, strict=True):
        (alone,) = engine.run([clip])
        assert len(alone.tokens) == (len(clip) - 400) // 320 + 1
        np.testing.assert_array_equal(alone.tokens, in_company.tokens)
        np.testing.assert_allclose(alone.scores, in_company.scores, atol=1e-4)


def test_giving_memory_back_changes_nothing(store: Path, checkout: Path) -> None:
    clip = read_audio(checkout / "tutorial_data" / "librispeech_data" / "000.flac")
    engine = open_model(store, "tiny")
    np.testing.assert_array_equal(engine.run([clip], free_memory=True)[0].scores, engine.run([clip])[0].scores)


@pytest.mark.parametrize("damage", ["cut", "noise", "gone"])
def test_a_damaged_graph_is_named(damage: str, own_store: Path) -> None:
    file = own_store / "tiny" / "1" / GRAPH
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000] if damage == "cut" else b"noise" * 500)
    with pytest.raises(DataError, match="version 1 of model 'tiny' cannot be loaded"):
        open_model(own_store, "tiny")


def test_a_graph_of_another_kind_is_named(own_store: Path) -> None:
    from onnx import TensorProto, helper, save

    waveform = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "samples"])
    graph = helper.make_graph([helper.make_node("Identity", ["waveform"], ["logits"])], "g", [waveform], [logits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    save(model, own_store / "tiny" / "1" / GRAPH)
    with pytest.raises(DataError, match=r"inputs \['waveform'\], outputs \['logits'\]"):
        open_model(own_store, "tiny")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InvalidOption, match="tpu"):
        choose_device("tpu")
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda")


def test_there_is_a_core() -> None:
    assert count_cores() >= 1
