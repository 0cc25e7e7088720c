"""The CTC loss of clips, as the training computes it: with masks, and in the precision that the hardware has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer_service.data.dataset import Utterance
from trainer_service.export.graph import SpeechGraph
from trainer_service.training.augmentation import Clip
from trainer_service.training.machine import in_any_order
from trainer_service.training.masks import draw_channel_mask, draw_time_mask, generator
from trainer_service.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Objective:
    """What a training makes small.

    Args:
        graph: The network.
        recipe: Its masks.
        blank: Index of the CTC blank.
        device: Where to compute.
        precision: Of the transformer; log-probabilities and losses are float32.
    """

    graph: SpeechGraph
    recipe: Recipe
    blank: int
    device: torch.device
    precision: torch.dtype

    def losses(
        self, clips: Sequence[Clip], features: Tensor, frames: Tensor, epoch: int, *, head_only: bool = False
    ) -> Tensor:
        """The loss of each clip in nats, float32 `[clips]`.

        Args:
            clips: What is heard.
            features: Of the frozen encoder, `[clips, frames, channels]`.
            frames: int64 `[clips]`, real frames of each.
            epoch: From which the masks follow.
            head_only: Whether the transformer is to stay as it is.
        """
        self.graph.model.set_attn_implementation(choose_attention(self.device, self.precision, features.shape[1]))
        time_mask, channel_mask = self._draw_masks(clips, frames, epoch)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
            with torch.set_grad_enabled(not head_only):
                hidden = self.graph.transform(features, frames.to(self.device), time_mask, channel_mask)
            log_probs = self.graph.spell(hidden)
        return ctc_losses(log_probs, frames, [clip.utterance for clip in clips], self.blank)

    def _draw_masks(self, clips: Sequence[Clip], frames: Tensor, epoch: int) -> tuple[Tensor | None, Tensor | None]:
        config: Any = self.graph.model.config
        recipe = self.recipe
        draws = [generator(recipe, epoch, clip.utterance.row) for clip in clips]
        time_mask = channel_mask = None
        # A checkpoint without SpecAugment has no vector to put in place of a masked frame.
        if recipe.time_mask > 0 and (config.mask_time_prob > 0 or config.mask_feature_prob > 0):
            time_mask = torch.from_numpy(draw_time_mask(frames.tolist(), recipe, draws)).to(self.device)
        if recipe.channel_mask > 0:
            channel_mask = torch.from_numpy(draw_channel_mask(config.hidden_size, recipe, draws)).to(self.device)
        return time_mask, channel_mask


def ctc_losses(
    log_probs: Tensor, frames: Tensor, batch: Sequence[Utterance], blank: int, *, is_repeatable: bool | None = None
) -> Tensor:
    """The CTC loss of each row, in nats, float32 `[rows]` (Graves et al. 2006).

    Args:
        log_probs: float32 `[rows, frames, vocabulary]`.
        frames: int64 `[rows]`, real frames of each.
        batch: What was said.
        blank: Index of the CTC blank.
        is_repeatable: Whether gradients have to be made so (see `_RepeatableLoss`); by default on a GPU.
    """
    targets = torch.tensor([token for each in batch for token in each.tokens], device=log_probs.device)
    lengths = torch.tensor([len(each.tokens) for each in batch])

    def compute(values: Tensor) -> Tensor:
        # Infinite losses are not zeroed: rows that have one were dropped beforehand, so one now is a fault to be told.
        return nn.functional.ctc_loss(values.transpose(0, 1), targets, frames, lengths, blank, reduction="none")

    if not (log_probs.is_cuda if is_repeatable is None else is_repeatable):
        return compute(log_probs)
    losses: Tensor = _RepeatableLoss.apply(log_probs, compute)
    return losses


class _RepeatableLoss(torch.autograd.Function):
    """A loss of each row whose gradients a GPU adds up in whatever order threads come.

    They are in float64, so that the order is lost when they are rounded to float32.
    """

    @staticmethod
    def forward(context: Any, log_probs: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Computes the losses, and the gradients too: they have to be computed where the order may be any."""
        with torch.enable_grad(), in_any_order():
            values = log_probs.detach().double().requires_grad_()
            losses = compute(values)
            (gradients,) = torch.autograd.grad(losses.sum(), values)
        context.save_for_backward(gradients.float())
        return losses.detach().float()

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor, None]:
        """Gradients of the log-probabilities."""
        (gradients,) = context.saved_tensors
        return gradients * outer[0][:, None, None], None


def choose_attention(device: torch.device, precision: torch.dtype, frames: int) -> str:
    """Attention written out, or torch's fused one.

    On a CPU in bf16 the fused one is slow backwards: for clips of up to 8 s, written out is a tenth faster for the
    whole step. For longer ones it is slower, and its memory grows with the square of the length.
    """
    return "eager" if device.type == "cpu" and precision is torch.bfloat16 and frames <= 400 else "sdpa"
