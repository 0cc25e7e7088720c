"""Fine-tunes a Wav2Vec2 CTC model: the whole training, top to bottom, in this one file.

What it does differently from a plain training loop, and why:

* The network is `SpeechGraph`, the one that is exported and served: what padding does to wav2vec2-base happens
  neither here nor there.
* The convolutional encoder is frozen, as in every recipe for wav2vec 2.0. So it runs once for each clip and speed,
  before the first epoch, and its output is kept (in bf16 or float32) as long as that fits into memory.
* A step is computed in parts, each of clips of like length and no larger than memory holds. The loss is divided by the
  labels of the whole step, so how it is parted changes nothing but what dropout draws: not on a small machine, not on
  several devices (`distributed`), and not when memory runs out and the parts are halved.
* What is random follows from the seed, the step and the row, and not from what was drawn before. So a training that is
  taken up again, in the middle of an epoch too, ends with the weights of one that was never interrupted.
* No loss is hidden: one that is not finite ends the training, with the row that it came from.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from thanosql.modelstore import ModelDescription
from thanosql.rpc.spans import span
from thanosql.scoring import character_errors, word_errors
from thanosql.types import Notice, Progress, Severity
from trainer_service.data.dataset import Utterance
from trainer_service.export.graph import SpeechGraph, frame_count
from trainer_service.training.augmentation import Clip
from trainer_service.training.batches import choose_waste_limit, split_step, waste
from trainer_service.training.course import Course, Outcome
from trainer_service.training.curves import Curves
from trainer_service.training.distributed import ALONE, Ranks
from trainer_service.training.divergence import diverged, halved, name_rows, too_long
from trainer_service.training.epochs import Epoch, plan_epochs
from trainer_service.training.features import FeatureStore
from trainer_service.training.hearing import log_probabilities, transcribe
from trainer_service.training.lora import add_adapters, merge_adapters
from trainer_service.training.loss import Objective
from trainer_service.training.machine import choose_precision, is_about_order, is_out_of_memory, memory_in_use
from trainer_service.training.plateau import find_plateau
from trainer_service.training.recipe import Recipe, frozen_steps, rate_at
from trainer_service.training.training_state import TrainingState, Weights

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 30.0
"""Between two checkpoints, at least; and twenty times as long as the last one took to write."""
QUICK_CHECKPOINT = 0.3
"""A training that is told to stop writes a checkpoint first if the last one took at most so many seconds."""

Say = Callable[[Progress | Notice], None]


class Stopped(Exception):
    """The training was told to stop; it can be taken up again from its last checkpoint."""


class FineTuning:
    """A training of the graph, in place, from where the state in the folder is.

    Whatever is a number to choose stands in the recipe, whatever must survive in the `Course`.

    Args:
        graph: The network with the base model's weights.
        train: Rows to learn from.
        held_out: Rows that are only evaluated; may be none.
        recipe: Every number.
        description: Vocabulary and frame geometry, for decoding.
        features: Of the frozen encoder; they are computed with its own copy of the graph, or with this one.
        folder: Keeps checkpoints and curves; what is there of the same training is gone on from.
        tell: Takes the progress.
        device: Where to compute.
        precision: Of the transformer; None: the fastest that the device computes with.
        at_once: Padded seconds of audio that memory holds in a step.
        ranks: The processes that train together.
        is_stopping: Asked between the parts of steps whether to stop.
        clock: Seconds, for rates.
    """

    def __init__(
        self,
        graph: SpeechGraph,
        train: Sequence[Utterance],
        held_out: Sequence[Utterance],
        recipe: Recipe,
        *,
        description: ModelDescription,
        features: FeatureStore,
        folder: Path,
        tell: Say,
        device: torch.device,
        precision: torch.dtype | None = None,
        at_once: float = math.inf,
        ranks: Ranks = ALONE,
        is_stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        precision = precision or choose_precision(device)
        self._graph, self._recipe, self._description = graph, recipe, description
        self._held_out, self._references = held_out, [each.text for each in held_out]
        self._features, self._folder = features, folder
        self._tell, self._device, self._at_once = tell, device, at_once
        self._ranks, self._is_stopping, self._clock = ranks, is_stopping, clock

        torch.manual_seed(recipe.seed)  # adapters begin at random
        graph.speech.feature_extractor.requires_grad_(False)
        if recipe.lora_rank:
            add_adapters(graph.model, recipe.lora_rank)
        graph.to(device)
        self._weights: Weights = {name: weight for name, weight in graph.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._weights.values(), lr=0.0, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True
        )
        self._objective = Objective(graph, recipe, description.blank, device, precision)
        config: Any = graph.model.config
        self._epochs = plan_epochs(
            train,
            recipe,
            sample_rate=description.sample_rate,
            frames=lambda samples: int(frame_count(config, samples)),
        )
        self._steps = sum(len(epoch.steps) for epoch in self._epochs)
        # A checkpoint of a training that follows from anything else is of no use.
        identity = {
            "recipe": asdict(recipe),
            "train": [(each.audio_path, each.samples, each.tokens) for each in train],
            "held_out": [(each.audio_path, each.samples, each.text) for each in held_out],
            "weights": {name: list(weight.shape) for name, weight in self._weights.items()},
        }
        self._state = TrainingState(folder, identity, is_writer=ranks.is_first)
        self._course = Course()
        self._base_wer: float | None = None
        self._curves: Curves | None = None
        self._saved_at, self._write_seconds, self._evaluation_seconds = clock(), 0.0, 0.0
        self._warned: set[str] = set()

    def run(self) -> Outcome:
        """The training, from its state to its end; the graph holds the weights that were best then.

        Raises:
            JobFailed: the loss stopped being a number, or memory ran out with a single clip.
            Stopped: `is_stopping` said so.
        """
        self._ranks.wait()  # for the first, who cleans the folder
        finished = self._state.load_finished()
        if finished is not None:
            self._load(finished.pop("weights"))
            outcome = Outcome(**finished)
        else:
            self._resume()
            try:
                outcome = self._finish(self._train())
            finally:
                if self._curves is not None:
                    self._curves.close()
        if self._recipe.lora_rank:
            merge_adapters(self._graph.model)
        self._graph.eval()
        return outcome

    def listen(self, rows: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """Log-probabilities float32 `[frames, vocabulary]` of some held-out rows, as the trained network gives them."""
        clips = [Clip(self._held_out[row]) for row in rows]
        heard = dict(
            log_probabilities(
                self._graph,
                self._features,
                clips,
                self._description,
                self._device,
                self._tell,
                "hear the held-out rows",
            )
        )
        nothing = np.zeros((0, len(self._description.vocabulary)), np.float32)
        return [heard.get(clip.utterance.row, nothing) for clip in clips]

    def _train(self) -> int:
        """The epochs that are still to be done; the number of the last one."""
        course = self._course
        self._features.fill(self._clips_needed(), self._tell)
        if self._held_out and not course.before:
            course.before = self._hear("evaluate the base model")
        if self._held_out:
            self._base_wer = self._rates(course.before)[0]
            if self._curves is not None and course.step == 0:
                self._curves.add(0, {"base_wer": self._base_wer})
        done = 0
        for epoch in self._epochs:
            first, done = done, done + len(epoch.steps)
            with span("epoch", {"thanosql.epoch": epoch.number, "thanosql.steps": len(epoch.steps)}):
                self._learn(epoch, first, done)
            if self._recipe.early_stopping and course.has_stopped_improving(self._recipe.patience):
                best = course.best(1)[0]
                self._tell(Notice(f"Stopped early: {self._recipe.patience} epochs were no better than epoch {best}."))
                break
        return epoch.number

    def _learn(self, epoch: Epoch, first: int, end: int) -> None:
        """What is still to be done of an epoch, whose steps are those from `first` to `end`, and its evaluation."""
        course = self._course
        self._graph.train()
        for step in range(max(0, course.step - first), len(epoch.steps)):
            self._take_step(epoch, step)
            is_due = self._clock() - self._saved_at > max(CHECKPOINT_SECONDS, 20 * self._write_seconds)
            if is_due and course.step < end:
                self._save()
        if len(course.losses) < epoch.number:
            course.end_epoch()
        if self._held_out and len(course.evaluated) < epoch.number:
            with span("evaluate"):
                self._evaluate(epoch.number)

    # --- a step ---

    def _take_step(self, epoch: Epoch, step: int) -> None:
        began = self._clock()
        course, optimizer = self._course, self._optimizer
        labels = epoch.labels(step)
        own = epoch.share(step, self._ranks.rank, self._ranks.world)
        if step + 1 < len(epoch.steps):
            following = epoch.share(step + 1, self._ranks.rank, self._ranks.world)
            self._features.expect(epoch.clips[place] for place in following)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(self._recipe, course.step, self._steps)
        while True:
            parts = split_step(own, epoch.seconds, self._at_once, choose_waste_limit(self._device.type))
            loss, problem, ran_out = self._add_up_gradients(epoch, parts, labels)
            loss, any_ran_out, any_problem, stops = self._ranks.add(loss, ran_out, problem != "", self._is_stopping())
            if stops:
                self._stop()
            if any_problem:
                raise diverged(course.step + 1, "; ".join(filter(None, self._ranks.gather(problem))))
            if not any_ran_out:
                break
            self._take_less(epoch, parts)
        self._ranks.add_gradients(self._weights.values())
        norm = nn.utils.clip_grad_norm_(self._weights.values(), self._recipe.clip_norm)
        if not math.isfinite(float(norm)):
            rows = name_rows([epoch.clips[place] for place in epoch.steps[step]])
            raise diverged(course.step + 1, rows, what="gradient")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        heard = sum(epoch.seconds[place] for place in epoch.steps[step])
        course.step += 1
        course.heard += heard
        course.padding += heard * waste(parts, epoch.seconds)
        course.epoch_loss += loss
        course.epoch_labels += labels
        course.spent += self._clock() - began
        self._tell_step(epoch.number, loss / labels)

    def _add_up_gradients(self, epoch: Epoch, parts: Sequence[Sequence[int]], labels: int) -> tuple[float, str, bool]:
        """Computes this process's part of a step.

        Returns:
            The loss summed over its rows, in nats; the rows whose loss is no number; and whether memory ran out.
        """
        total = 0.0
        # For dropout and layerdrop; masks have a source of their own.
        step = self._course.step
        torch.manual_seed((self._recipe.seed * 1_000_003 + step) * self._ranks.world + self._ranks.rank)
        head_only = step < frozen_steps(self._recipe, self._steps)
        try:
            for part in parts:
                if self._is_stopping():
                    break
                clips, values, frames = self._features.batch([epoch.clips[place] for place in part])
                if not clips:  # their recordings are gone
                    continue
                losses = self._objective.losses(clips, values, frames, epoch.number, head_only=head_only)
                finite = torch.isfinite(losses.detach()).tolist()
                if not all(finite):
                    wrong = [clip for clip, is_finite in zip(clips, finite, strict=True) if not is_finite]
                    return total, name_rows(wrong), False
                torch.autograd.backward(losses.sum() / labels)
                total += float(losses.detach().sum())
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                return total, "", True
            if not is_about_order(error):
                raise
            torch.use_deterministic_algorithms(False)
        else:
            return total, "", False
        self._tell(Notice("This network cannot be trained on this device to the last bit the same each time."))
        self._optimizer.zero_grad(set_to_none=True)
        return self._add_up_gradients(epoch, parts, labels)

    def _take_less(self, epoch: Epoch, parts: Sequence[Sequence[int]]) -> None:
        """Halves what is computed at once; here, where the error and the tensors that it held are gone."""
        self._optimizer.zero_grad(set_to_none=True)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        largest = max((epoch.seconds[part[0]] * len(part) for part in parts), default=self._at_once)
        longest = max((part[0] for part in parts), key=lambda place: epoch.seconds[place], default=None)
        if longest is not None and max(map(len, parts)) == 1:
            raise too_long(epoch.clips[longest], epoch.seconds[longest])
        self._at_once = largest / 2
        self._tell(halved(largest, self._at_once, epoch.seconds[longest] if longest is not None else 0.0))

    def _tell_step(self, epoch: int, loss: float) -> None:
        course = self._course
        figures = {
            "loss": loss,
            "learning_rate": self._optimizer.param_groups[0]["lr"],
            "audio_seconds_per_second": course.audio_rate,
            "epoch": float(epoch),
        }
        if self._curves is not None:
            self._curves.add(course.step, figures)
        figures |= {"loss": course.epoch_loss / course.epoch_labels, "memory_bytes": memory_in_use(self._device)}
        if self._base_wer is not None:
            figures["base_wer"] = self._base_wer
        if course.evaluated:
            figures["wer"] = course.evaluated[-1][0]
        evaluations = self._recipe.epochs - len(course.evaluated) if self._held_out else 0
        left = (self._steps - course.step) / course.rate + evaluations * self._evaluation_seconds
        self._tell(Progress("train", course.step, self._steps, "steps", course.rate, left, figures))

    # --- between steps ---

    def _hear(self, phase: str) -> list[str]:
        """What the network hears in the held-out rows, all processes together."""
        began = self._clock()
        mine = [Clip(each) for each in self._held_out[self._ranks.rank :: self._ranks.world]]
        heard = transcribe(self._graph, self._features, mine, self._description, self._device, self._tell, phase)
        texts = {row: text for part in self._ranks.gather(heard) for row, text in part.items()}
        self._evaluation_seconds = self._clock() - began
        return [texts.get(each.row, "") for each in self._held_out]

    def _rates(self, texts: Sequence[str]) -> tuple[float, float]:
        return word_errors(self._references, texts).rate, character_errors(self._references, texts).rate

    def _evaluate(self, epoch: int) -> None:
        course = self._course
        texts = self._hear(f"evaluate after epoch {epoch}")
        wer, cer = self._rates(texts)
        course.evaluated.append((wer, cer, epoch))
        log.info("epoch %d: loss %.4g, word error rate %.1f %%", epoch, course.losses[-1], 100 * wer)
        best = course.best(self._recipe.averaged)
        if epoch in best:
            self._keep("the weights of this epoch", lambda: self._state.save_weights(epoch, self._copy(), kept=best))
        if self._curves is not None:
            self._curves.add(course.step, {"wer": wer, "cer": cer})
        self._save()
        # Also after the last epoch, which no step follows that could tell it.
        figures = {"loss": course.losses[-1], "epoch": float(epoch), "wer": wer}
        if self._base_wer is not None:
            figures["base_wer"] = self._base_wer
        self._tell(Progress(f"evaluate after epoch {epoch}", course.step, self._steps, "steps", figures=figures))
        plateau = find_plateau(texts, course.losses)
        if plateau and plateau not in self._warned:
            self._warned.add(plateau)
            self._tell(Notice(plateau, Severity.WARNING))

    def _finish(self, epochs: int) -> Outcome:
        """Chooses the weights: of the best epoch, or the mean of the best ones' where that is better."""
        course, texts = self._course, list[str]()
        chosen: tuple[int, ...] = (epochs,)
        self._ranks.wait()  # for the first, who writes what the others read
        best = [epoch for epoch in course.best(self._recipe.averaged) if self._state.has_weights(epoch)]
        kept = [self._state.load_weights(epoch) for epoch in best]
        if len(best) > 1:
            self._load({name: torch.stack([each[name] for each in kept]).mean(0) for name in self._weights})
            texts, chosen = self._hear(f"evaluate the mean of {len(best)} epochs"), tuple(sorted(best))
        if len(best) == 1 or (best and self._rates(texts) > min(tuple(each[:2]) for each in course.evaluated)):
            self._load(kept[0])
            chosen = (best[0],)
        if self._held_out and len(chosen) == 1:
            texts = self._hear(f"evaluate epoch {chosen[0]}")
        outcome = Outcome(
            before=tuple(course.before),
            after=tuple(texts),
            best_epochs=chosen,
            epochs=epochs,
            steps=course.step,
            losses=tuple(course.losses),
            audio_seconds_per_second=course.audio_rate,
            padding=course.padding / max(course.heard, 1e-9),
            lost=dict(self._features.lost),
        )
        self._keep("the trained weights", lambda: self._state.finish({**asdict(outcome), "weights": self._copy()}))
        return outcome

    # --- what survives ---

    def _resume(self) -> None:
        values = self._state.load()
        if values is not None:
            self._load(values["weights"])
            self._optimizer.load_state_dict(values["optimizer"])
            self._course = Course(**values["course"])
        if self._ranks.is_first:
            self._curves = Curves(self._folder, from_step=self._course.step)
        self._saved_at = self._clock()

    def _save(self) -> None:
        began = self._clock()
        values = {"optimizer": self._optimizer.state_dict(), "course": asdict(self._course), "weights": self._copy()}
        self._keep("a checkpoint", lambda: self._state.save(self._course.step, values))
        self._saved_at = self._clock()
        self._write_seconds = self._saved_at - began

    def _keep(self, what: str, write: Callable[[], None]) -> None:
        """Writes something that the training can do without, should the disk be full."""
        try:
            write()
        except (OSError, RuntimeError) as error:
            text = f"The disk does not take {what}: an interrupted training would begin further back."
            if text not in self._warned:
                self._warned.add(text)
                self._tell(Notice(f"{text} ({error})", Severity.WARNING))

    def _stop(self) -> None:
        """Ends the training where it is: the step under way is not taken."""
        self._optimizer.zero_grad(set_to_none=True)
        if self._write_seconds <= QUICK_CHECKPOINT:
            self._save()
        raise Stopped

    def _clips_needed(self) -> Iterable[Clip]:
        """All that this process will hear, in whatever order."""
        rank, world = self._ranks.rank, self._ranks.world
        yield from (Clip(each) for each in self._held_out[rank::world])
        for epoch in self._epochs:
            for step in range(len(epoch.steps)):
                yield from (epoch.clips[place] for place in epoch.share(step, rank, world))

    def _copy(self) -> Weights:
        return {name: weight.detach() for name, weight in self._weights.items()}

    @torch.no_grad()
    def _load(self, values: dict[str, Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(values[name])
