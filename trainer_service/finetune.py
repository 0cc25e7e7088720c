"""Fine-tunes a Wav2Vec2 CTC model: the whole training, top to bottom, in this one file.

What it does differently from a plain training loop, and why:

* The network is `SpeechGraph`, the one that is exported and served: what padding does to wav2vec2-base happens
  neither here nor there.
* The convolutional encoder is frozen, as in every recipe for wav2vec 2.0. So it runs once for each clip, before
  the first epoch, and its output is kept (in bf16 or float32) as long as that fits into memory.
* The transformer computes in bf16 where the hardware does; log-probabilities, CTC and weights are float32.
* No loss is hidden: one that is not finite ends the training, with the row that it came from.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thanosql.ctc import decode_text
from thanosql.errors import JobFailed
from thanosql.modelstore import ModelDescription
from thanosql.scoring import ErrorCounts, character_errors, word_errors
from thanosql.types import Progress
from trainer_service.dataset import Read, Tell, Utterance
from trainer_service.features import FeatureStore
from trainer_service.graph import SpeechGraph
from trainer_service.machine import choose_precision
from trainer_service.recipe import Recipe, draw_channel_mask, draw_time_mask, plan_batches, rate_at

FEATURE_BYTES = 1 << 30
"""Memory that kept features may take: 11 hours of audio for the bundled model, 5 for wav2vec2-base."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Errors on the held-out rows."""

    words: ErrorCounts
    characters: ErrorCounts


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a training; the graph holds the weights that were best on the held-out rows."""

    before: Scores | None
    after: Scores | None
    best_epoch: int
    epochs: int
    steps: int
    loss: float
    """Mean of the last epoch, in nats per label."""
    audio_seconds_per_second: float


def fine_tune(
    graph: SpeechGraph,
    train: Sequence[Utterance],
    held_out: Sequence[Utterance],
    recipe: Recipe,
    *,
    description: ModelDescription,
    read: Read,
    tell: Tell,
    device: torch.device,
    precision: torch.dtype | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Trains the graph in place.

    Args:
        graph: The network with the base model's weights.
        train: Rows to learn from.
        held_out: Rows that are only evaluated; may be none.
        recipe: Every number.
        description: Vocabulary and frame geometry, for decoding.
        read: Gives an utterance's samples at the model's rate.
        tell: Takes the progress.
        device: Where to compute.
        precision: Of the transformer; None: the fastest that the device computes with.
        clock: Seconds, for rates.

    Raises:
        JobFailed: the loss stopped being a number.
    """
    torch.manual_seed(recipe.seed)  # dropout
    draw = np.random.default_rng(recipe.seed)  # masks
    precision = precision or choose_precision(device)
    graph.to(device)
    graph.model.wav2vec2.feature_extractor.requires_grad_(False)
    config: Any = graph.model.config
    features = FeatureStore(graph, read, precision, device, FEATURE_BYTES)
    features.fill((*train, *held_out), tell)

    def evaluate(phase: str) -> Scores | None:
        return score(graph, features, held_out, description, device, tell, phase) if held_out else None

    before = evaluate("evaluate the base model")
    parameters = [p for p in graph.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=0.0, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True)
    seconds = [each.samples / description.sample_rate for each in train]
    plans = [plan_batches(seconds, recipe, epoch) for epoch in range(recipe.epochs)]
    steps = sum(len(plan) for plan in plans)
    step, heard, spent = 0, 0.0, 0.0
    best: tuple[float, float] = (float("inf"), float("inf"))
    best_epoch, best_weights, after = 0, None, None
    loss_sum = mean_loss = 0.0
    labels_seen = 0
    figures: dict[str, float] = {}
    if before is not None:
        figures["base_wer"] = before.words.rate

    for epoch, plan in enumerate(plans, start=1):
        graph.train()
        loss_sum, labels_seen = 0.0, 0
        for rows in plan:
            began = clock()
            batch = [train[row] for row in rows]
            values, frames = features.batch(batch)
            graph.model.set_attn_implementation(choose_attention(device, precision, values.shape[1]))
            time_mask, channel_mask = _draw_masks(config, recipe, frames, draw, device)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(recipe, step, steps)
            with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                log_probs = graph.classify(values, frames.to(device), time_mask, channel_mask)
            losses = ctc_losses(log_probs, frames, batch, description.blank)
            labels = sum(len(each.tokens) for each in batch)
            loss = losses.sum() / labels
            _require_finite(losses, batch, step)
            torch.autograd.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
            _require_finite(norm.expand(len(batch)), batch, step)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            step += 1
            loss_sum += float(losses.detach().sum())
            labels_seen += labels
            heard += sum(seconds[row] for row in rows)
            spent += clock() - began
            figures |= {
                "loss": loss_sum / labels_seen,
                "learning_rate": optimizer.param_groups[0]["lr"],
                "audio_seconds_per_second": heard / max(spent, 1e-9),
                "epoch": epoch,
            }
            left = (steps - step) * spent / step
            tell(Progress("train", step, steps, "steps", step / max(spent, 1e-9), left, dict(figures)))
        mean_loss = loss_sum / labels_seen

        scores = evaluate(f"evaluate after epoch {epoch}")
        if scores is None:
            best_epoch = epoch
            continue
        figures["wer"] = scores.words.rate
        # Of the same WER, the better CER: on few held-out rows, ties are common.
        if (scores.words.rate, scores.characters.rate) < best:
            best = scores.words.rate, scores.characters.rate
            best_epoch, after = epoch, scores
            # The last epoch's weights need no copy.
            best_weights = copy.deepcopy(_trained(graph)) if epoch < recipe.epochs else None
        elif recipe.early_stopping and epoch - best_epoch >= recipe.patience:
            break
    if best_weights is not None:
        with torch.no_grad():
            for name, weight in _trained(graph).items():
                weight.copy_(best_weights[name])
    graph.eval()
    return Outcome(before, after, best_epoch, epoch, step, mean_loss, heard / max(spent, 1e-9))


def score(
    graph: SpeechGraph,
    features: FeatureStore,
    utterances: Sequence[Utterance],
    description: ModelDescription,
    device: torch.device,
    tell: Tell,
    phase: str,
) -> Scores:
    """Errors of the graph, in float32 as it will be served, decoded as it will be served."""
    graph.eval()
    graph.model.set_attn_implementation("sdpa")
    hypotheses: dict[int, str] = {}
    for batch in _in_order_of_length(utterances):
        values, frames = features.batch(batch)
        with torch.inference_mode():
            tokens = graph.classify(values.float(), frames.to(device)).argmax(-1).cpu().numpy()
        for each, row, count in zip(batch, tokens, frames.tolist(), strict=True):
            hypotheses[each.row] = decode_text(row[:count], description)
        tell(Progress(phase, len(hypotheses), len(utterances), "clips"))
    references = [each.text for each in utterances]
    texts = [hypotheses[each.row] for each in utterances]
    return Scores(word_errors(references, texts), character_errors(references, texts))


def ctc_losses(log_probs: Tensor, frames: Tensor, batch: Sequence[Utterance], blank: int) -> Tensor:
    """The CTC loss of each row, in nats, float32 `[rows]` (Graves et al. 2006)."""
    targets = torch.tensor([token for each in batch for token in each.tokens], device=log_probs.device)
    lengths = torch.tensor([len(each.tokens) for each in batch])
    # Infinite losses are not zeroed: rows that have one were dropped beforehand, so one now is a fault to be told.
    return torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), targets, frames, lengths, blank, reduction="none")


def choose_attention(device: torch.device, precision: torch.dtype, frames: int) -> str:
    """Attention written out, or torch's fused one.

    On a CPU in bf16 the fused one is slow backwards: for clips of up to 8 s, written out is a tenth faster for the
    whole step. For longer ones it is slower, and its memory grows with the square of the length.
    """
    return "eager" if device.type == "cpu" and precision is torch.bfloat16 and frames <= 400 else "sdpa"


def _draw_masks(
    config: Any, recipe: Recipe, frames: Tensor, draw: np.random.Generator, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    time_mask = channel_mask = None
    # A checkpoint without SpecAugment has no vector to put in place of a masked frame.
    if recipe.time_mask > 0 and (config.mask_time_prob > 0 or config.mask_feature_prob > 0):
        time_mask = torch.from_numpy(draw_time_mask(frames.tolist(), recipe, draw)).to(device)
    if recipe.channel_mask > 0:
        channel_mask = torch.from_numpy(draw_channel_mask(len(frames), config.hidden_size, recipe, draw)).to(device)
    return time_mask, channel_mask


def _require_finite(values: Tensor, batch: Sequence[Utterance], step: int) -> None:
    finite = torch.isfinite(values)
    if bool(finite.all()):
        return
    wrong = [each for each, is_finite in zip(batch, finite.tolist(), strict=True) if not is_finite]
    rows = ", ".join(f"row {each.row + 1} ({each.audio_path!r})" for each in wrong[:5])
    raise JobFailed(
        f"the training diverged: at step {step + 1} the loss is not a number any more, in {rows}",
        hint="Try a smaller learning_rate; if it is always the same row, leave that row out of the query.",
    )


def _trained(graph: SpeechGraph) -> dict[str, Tensor]:
    """The weights that training changes, by name."""
    return {name: weight.detach() for name, weight in graph.named_parameters() if weight.requires_grad}


def _in_order_of_length(utterances: Sequence[Utterance], rows: int = 8) -> Iterator[list[Utterance]]:
    ordered = sorted(utterances, key=lambda each: each.samples)
    for start in range(0, len(ordered), rows):
        yield ordered[start : start + rows]
