"""The network says of a clip the same, whatever stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from trainer_service.export.graph import SpeechGraph, frame_count


def load(folder: Path) -> Wav2Vec2ForCTC:
    model: Wav2Vec2ForCTC = Wav2Vec2ForCTC.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_agrees_with_the_plain_model_on_a_clip_alone(small_checkpoints: dict[str, Path], norm: str) -> None:
    clip = 0.1 * torch.randn(1, 20_000, generator=torch.Generator().manual_seed(1)) + 0.05
    model = load(small_checkpoints[norm])
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(small_checkpoints[norm])
    values = extractor(clip[0].numpy(), sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        plain = model(values).logits.log_softmax(-1)
        ours = SpeechGraph(model).eval()(clip, torch.tensor([20_000]))
    torch.testing.assert_close(ours.log_probs, plain, atol=1e-4, rtol=0)
    assert ours.tokens.equal(plain.argmax(-1))
    assert ours.frames.item() == plain.shape[1]


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("padding", [0.0, 100.0, float("nan")])
def test_padding_changes_nothing(small_checkpoints: dict[str, Path], norm: str, padding: float) -> None:
    graph = SpeechGraph(load(small_checkpoints[norm])).eval()
    clip = torch.randn(1, 9_000, generator=torch.Generator().manual_seed(2))
    padded = torch.full((2, 32_000), padding)
    padded[0, :9_000] = clip
    padded[1] = torch.randn(32_000, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        alone = graph(clip, torch.tensor([9_000]))
        beside = graph(padded, torch.tensor([9_000, 32_000]))
    frames = int(alone.frames)
    assert beside.frames.tolist() == [frames, 99]
    torch.testing.assert_close(beside.log_probs[0, :frames], alone.log_probs[0], atol=1e-4, rtol=0)


def test_a_padded_clip_makes_the_plain_model_say_something_else(small_checkpoints: dict[str, Path]) -> None:
    """Why the graph exists; when this fails one day, the graph may go."""
    model = load(small_checkpoints["group"])
    clip = torch.randn(1, 9_000, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        alone = model(clip).logits
        padded = model(torch.nn.functional.pad(clip, (0, 23_000))).logits[:, : alone.shape[1]]
    assert (alone - padded).abs().max() > 0.01


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16_000, 49), (57_600_000, 179_999)]
)
def test_frames_are_counted_as_the_convolutions_make_them(
    small_checkpoints: dict[str, Path], samples: int, frames: int
) -> None:
    config = load(small_checkpoints["layer"]).config
    assert frame_count(config, samples) == frames
    assert frame_count(config, torch.tensor([samples])).tolist() == [frames]
