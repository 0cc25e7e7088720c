"""HuBERT and Data2VecAudio go through the same graph as Wav2Vec2: alone as the library has them, and in a batch too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCTC, HubertConfig, HubertForCTC, Wav2Vec2FeatureExtractor

from thanosql.errors import NotSupported
from trainer_service.bases.checkpoints import load_folder
from trainer_service.data.dataset import Utterance
from trainer_service.export.export import describe, new_description, write_version
from trainer_service.export.graph import SpeechGraph, Waveform
from trainer_service.training.features import FeatureStore
from trainer_service.training.finetune import FineTuning
from trainer_service.training.recipe import Recipe

RELATIVES = ("hubert", "data2vec")


def noise(samples: int, seed: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed)) + 0.05


@pytest.mark.parametrize("name", RELATIVES)
def test_agrees_with_the_plain_model_on_a_clip_alone(relatives: dict[str, Path], name: str) -> None:
    clip = noise(20_000, 1)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(relatives[name])
    values = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        plain = AutoModelForCTC.from_pretrained(relatives[name]).eval()(values).logits.log_softmax(-1)
        ours = load_folder(relatives[name]).graph().eval()(clip[None], torch.tensor([20_000]))
    torch.testing.assert_close(ours.log_probs, plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", RELATIVES)
@pytest.mark.parametrize("padding", [0.0, float("nan")])
def test_padding_changes_nothing(relatives: dict[str, Path], name: str, padding: float) -> None:
    graph = load_folder(relatives[name]).graph().eval()
    padded = torch.full((2, 32_000), padding)
    padded[0, :9_000], padded[1] = noise(9_000, 2), noise(32_000, 3)
    with torch.no_grad():
        alone = graph(noise(9_000, 2)[None], torch.tensor([9_000]))
        beside = graph(padded, torch.tensor([9_000, 32_000]))
    torch.testing.assert_close(beside.log_probs[0, : int(alone.frames)], alone.log_probs[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", [pytest.param("hubert", marks=pytest.mark.slow), "data2vec"])
def test_a_version_of_it_passes_the_parity_gate_and_can_be_a_base_again(
    relatives: dict[str, Path], tmp_path: Path, name: str
) -> None:
    checkpoint = load_folder(relatives[name])
    written = write_version(tmp_path, checkpoint, new_description("m", 1, class_name="", base="", report={}))
    assert max(written.parity["onnx"], written.parity["batch"]) < 1e-4
    again = load_folder(tmp_path / "m" / "1")
    assert torch.equal(again.model.lm_head.weight, checkpoint.model.lm_head.weight)
    clip = noise(8_000, 4)[None]
    with torch.no_grad():
        before, after = (each.graph().eval()(clip, torch.tensor([8_000])).log_probs for each in (checkpoint, again))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


class Noise:
    """Recordings that are made up."""

    def expect(self, utterances: Iterable[Utterance]) -> None:
        list(utterances)

    def read(self, utterance: Utterance) -> Waveform:
        return noise(utterance.samples, utterance.row).numpy()


@pytest.mark.parametrize("name", RELATIVES)
@pytest.mark.parametrize("rank", [0, 2])
def test_it_learns_with_adapters_and_without(relatives: dict[str, Path], tmp_path: Path, name: str, rank: int) -> None:
    checkpoint = load_folder(relatives[name])
    description = describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))
    graph = checkpoint.graph()
    before = {name: weight.clone() for name, weight in graph.speech.feature_extractor.state_dict().items()}
    rows = [Utterance(row, "", Path(f"{row}.wav"), 9_000 + 999 * row, (5, 6, 7), "ETA") for row in range(4)]
    cpu = torch.device("cpu")
    outcome = FineTuning(
        graph,
        rows,
        [],
        Recipe(epochs=20, step_rows=2, learning_rate=5e-3, seed=1, lora_rank=rank),
        description=description,
        features=FeatureStore(graph, Noise(), sample_rate=16_000, precision=torch.float32, device=cpu, budget=1 << 30),
        folder=tmp_path,
        tell=lambda _: None,
        device=cpu,
    ).run()
    assert outcome.losses[-1] < 0.7 * outcome.losses[0]
    after = graph.speech.feature_extractor.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_a_part_that_padding_would_go_through_is_refused() -> None:
    config = HubertConfig(hidden_size=48, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64)
    config.conv_pos_batch_norm = True
    with pytest.raises(NotSupported, match="batch norm before the positional convolution"):
        SpeechGraph(HubertForCTC(config))
