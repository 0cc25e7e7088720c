"""The network that is trained and served: Wav2Vec2 and its like, with normalisation, masking and lengths inside.

A clip gives the same output alone and beside longer ones. Three things see to that, where the plain
model has none of them: each clip is normalised over its own samples; the first norm of the
wav2vec2-base family, a GroupNorm over time, takes its statistics over real frames only (padding a
2 s clip to 8 s moves the plain model's logits by three standard deviations); and attention and the
positional convolution see no padding.

HuBERT and Data2VecAudio are built as Wav2Vec2 is, but for what `project` and `positions` tell apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel, Wav2Vec2Config

from thanosql.errors import NotSupported

# The same as in transformers' Wav2Vec2FeatureExtractor, so that its checkpoints see what they were trained on.
NORMALISATION_EPSILON = 1e-7

Waveform = npt.NDArray[np.float32]
"""Samples of one recording, mono."""


class GraphOutput(NamedTuple):
    """What the network says of a batch; the contract is in `thanosql.modelstore`."""

    log_probs: Tensor
    frames: Tensor
    tokens: Tensor
    scores: Tensor


class MaskedGroupNorm(nn.Module):
    """GroupNorm with one group per channel, its statistics over the first `frames` frames of each row.

    Takes over the parameters of the norm that it replaces, under the same names, so that a checkpoint fits both.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight = norm.weight
        self.bias = norm.bias
        self.eps = norm.eps

    def forward(self, values: Tensor, frames: Tensor) -> Tensor:
        """Normalises `values` `[batch, channels, frames]`."""
        values = values.float()  # statistics over minutes of frames are no work for bf16
        real = mask_of(frames, values.shape[-1])[:, None, :]
        count = frames.clamp(min=1)[:, None, None].to(values.dtype)
        mean = torch.where(real, values, 0.0).sum(-1, keepdim=True) / count
        centred = values - mean
        variance = torch.where(real, centred, 0.0).square().sum(-1, keepdim=True) / count
        return centred * (torch.rsqrt(variance + self.eps) * self.weight[:, None]) + self.bias[:, None]


_UNKNOWN_PARTS = {
    "add_adapter": "convolutional adapter layers after the transformer",
    "conv_pos_batch_norm": "a batch norm before the positional convolution, which padding would go through",
}
"""Options of a checkpoint that this graph does not know."""


class SpeechGraph(nn.Module):
    """Wraps a `Wav2Vec2ForCTC`, `HubertForCTC` or `Data2VecAudioForCTC`; the parameters are shared with it.

    Args:
        model: The checkpoint; its parameters stay where they are, and a GroupNorm in it is replaced.
        normalises: Whether the checkpoint wants each clip with mean 0 and variance 1 (`do_normalize`).

    Raises:
        NotSupported: the checkpoint has a part that this graph does not know.
    """

    def __init__(self, model: PreTrainedModel, *, normalises: bool = True) -> None:
        super().__init__()
        for option, what in _UNKNOWN_PARTS.items():
            if getattr(model.config, option, False):
                raise NotSupported(
                    f"this checkpoint has {what} ({option})", hint="Choose a plain Wav2Vec2 or HuBERT CTC checkpoint."
                )
        self.model: Any = model
        self.normalises = normalises
        first = self.speech.feature_extractor.conv_layers[0]
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            first.layer_norm = MaskedGroupNorm(first.layer_norm)

    @property
    def speech(self) -> Any:
        """All but the output layer: what is called `wav2vec2`, `hubert` or `data2vec_audio` in the checkpoint."""
        return getattr(self.model, self.model.base_model_prefix)

    def forward(self, waveform: Tensor, lengths: Tensor) -> GraphOutput:
        """Log-probabilities of a batch.

        Args:
            waveform: `[batch, samples]`, not normalised, padded on the right with anything.
            lengths: int64 `[batch]`, real samples of each row.
        """
        features = self.features(waveform, lengths)
        frames = frame_count(self.model.config, lengths)
        log_probs = self.classify(features, frames)
        return GraphOutput(log_probs, frames, log_probs.argmax(-1), log_probs.amax(-1))

    def features(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """The output of the convolutional encoder, `[batch, frames, channels]`; padding frames hold anything."""
        real = mask_of(lengths, waveform.shape[-1])
        values = normalise(waveform, real) if self.normalises else torch.where(real, waveform, 0.0)
        values = values[:, None, :]
        config = self.model.config
        for layer, block in enumerate(self.speech.feature_extractor.conv_layers):
            norm = getattr(block, "layer_norm", None)
            values = block.conv(values)
            if isinstance(norm, MaskedGroupNorm):
                values = norm(values, frame_count(config, lengths, layers=layer + 1))
            elif norm is not None:
                values = norm(values.transpose(1, 2)).transpose(1, 2)
            values = block.activation(values)
        return values.transpose(1, 2)

    def classify(
        self, features: Tensor, frames: Tensor, time_mask: Tensor | None = None, channel_mask: Tensor | None = None
    ) -> Tensor:
        """Log-probabilities float32 `[batch, frames, vocabulary]` of the encoder's features.

        Args:
            features: as `features` gives them.
            frames: int64 `[batch]`, real frames of each row.
            time_mask: bool `[batch, frames]`, frames to hide (SpecAugment).
            channel_mask: bool `[batch, hidden]`, channels to hide.
        """
        return self.spell(self.transform(features, frames, time_mask, channel_mask))

    def transform(
        self, features: Tensor, frames: Tensor, time_mask: Tensor | None = None, channel_mask: Tensor | None = None
    ) -> Tensor:
        """The output of the transformer `[batch, frames, hidden]`; the arguments are those of `classify`."""
        hidden = self.project(features)
        if time_mask is not None:
            hidden = torch.where(time_mask[:, :, None], self.speech.masked_spec_embed.to(hidden.dtype), hidden)
        if channel_mask is not None:
            hidden = hidden.masked_fill(channel_mask[:, None, :], 0.0)
        return self.encode(hidden, mask_of(frames, hidden.shape[1]))

    def spell(self, hidden: Tensor) -> Tensor:
        """What the head makes of the transformer's output: log-probabilities float32 `[batch, frames, vocabulary]`."""
        logits: Tensor = self.model.lm_head(self.model.dropout(hidden))
        return torch.log_softmax(logits.float(), -1)

    def project(self, features: Tensor) -> Tensor:
        """The encoder's features, as wide as the transformer."""
        projected = self.speech.feature_projection(features)
        # HuBERT's gives no second value, for it has no quantiser that would want one.
        hidden: Tensor = projected if isinstance(projected, Tensor) else projected[0]
        return hidden

    def positions(self, hidden: Tensor, real: Tensor) -> Tensor:
        """What the positional convolution adds to `hidden`, whose padding is zero."""
        embedding = self.speech.encoder.pos_conv_embed
        if not hasattr(embedding, "layers"):
            added: Tensor = embedding(hidden)
            return added
        # Data2Vec has several, with a norm after each, which makes something of padding that the next would see.
        values = hidden.transpose(1, 2)
        for layer in embedding.layers:
            values = layer(values.masked_fill(~real[:, None, :], 0.0))
        return values.transpose(1, 2)

    def encode(self, hidden: Tensor, real: Tensor) -> Tensor:
        """The transformer, over the frames that are `real` `[batch, frames]`."""
        encoder = self.speech.encoder
        config = self.model.config
        norm_comes_last = getattr(config, "do_stable_layer_norm", False)
        hidden = hidden.masked_fill(~real[:, :, None], 0.0)
        hidden = hidden + self.positions(hidden, real)
        # In the older order of norms (wav2vec2-base) the encoder's own norm comes first, else last.
        hidden = hidden if norm_comes_last else encoder.layer_norm(hidden)
        hidden = encoder.dropout(hidden)
        keys = self.attention_mask(real)
        for layer in encoder.layers:
            if self.training and config.layerdrop > 0 and torch.rand(()) < config.layerdrop:
                continue
            hidden = layer(hidden, attention_mask=keys)
        return encoder.layer_norm(hidden) if norm_comes_last else hidden

    def attention_mask(self, real: Tensor) -> Tensor:
        """The mask over keys, in the form that the chosen attention wants."""
        keys = real[:, None, None, :]
        if self.model.config._attn_implementation == "eager":
            return torch.where(keys, 0.0, -1e9)
        return keys


def normalise(waveform: Tensor, real: Tensor) -> Tensor:
    """Each row with mean 0 and variance 1 over its `real` samples, and 0 elsewhere; `[batch, samples]`."""
    count = real.sum(-1, keepdim=True).clamp(min=1).to(waveform.dtype)
    values = torch.where(real, waveform, 0.0)
    centred = torch.where(real, values - values.sum(-1, keepdim=True) / count, 0.0)
    variance = centred.square().sum(-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + NORMALISATION_EPSILON)


def mask_of(lengths: Tensor, size: int) -> Tensor:
    """True at the real positions: bool `[batch, size]`."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def frame_count(config: Wav2Vec2Config, samples: Any, layers: int | None = None) -> Any:
    """Frames that the first `layers` convolutions (default: all) make of so many samples; int or int64 tensor."""
    receptive, step = frame_geometry(config, layers)
    rest = samples - (receptive - step)
    if isinstance(rest, Tensor):
        # Of a number that is not negative: in the exported graph this is a division of integers.
        return torch.div(rest.clamp(min=0), step, rounding_mode="trunc")
    return max(rest, 0) // step


def frame_geometry(config: Wav2Vec2Config, layers: int | None = None) -> tuple[int, int]:
    """Samples that a frame sees, and samples from one frame to the next: (400, 320) for all of wav2vec 2.0."""
    receptive = step = 1
    for kernel, stride in zip(config.conv_kernel[:layers], config.conv_stride[:layers], strict=True):
        receptive += (kernel - 1) * step
        step *= stride
    return receptive, step


def fold_weight_norm(graph: SpeechGraph) -> None:
    """Replaces the positional convolution's weight norm by the weight it stands for, for good."""
    conv = getattr(graph.speech.encoder.pos_conv_embed, "conv", None)  # Data2Vec has several, and no weight norm
    if conv is not None and parametrize.is_parametrized(conv, "weight"):
        parametrize.remove_parametrizations(conv, "weight", leave_parametrized=True)
