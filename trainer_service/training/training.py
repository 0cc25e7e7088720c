"""A BUILD or FIT job from its rows to a trained network, its language model, and the report on both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from thanosql.audio import read_audio
from thanosql.held_out import SampleClip, choose_sample
from thanosql.language_model import Weights
from thanosql.modelstore import ModelDescription
from thanosql.rpc.spans import span
from thanosql.types import JobResult, Notice, Progress, Severity
from trainer_service.bases.checkpoints import Checkpoint
from trainer_service.bases.head import fit_head
from trainer_service.data.data_report import DataReport
from trainer_service.data.dataset import Limits, Row, Utterance, check_rows
from trainer_service.data.reading import ReadAhead
from trainer_service.export.graph import Waveform, frame_count
from trainer_service.jobs.jobs import Task
from trainer_service.language.language_model import (
    BuiltLanguageModel,
    LanguageModelReport,
    build_language_model,
    store_language_model,
)
from trainer_service.language.language_trials import Choice, HeldOut, choose_language_model, draw_rows
from trainer_service.training.curves import read_points
from trainer_service.training.distributed import ALONE, Ranks
from trainer_service.training.features import FeatureStore, share_memory
from trainer_service.training.finetune import FineTuning
from trainer_service.training.machine import (
    available_cores,
    available_memory,
    choose_precision,
    memory_in_use,
    peak_memory,
)
from trainer_service.training.picture import draw_picture
from trainer_service.training.recipe import ModelSize, choose_recipe, hold_out, seconds_at_once
from trainer_service.training.training_report import listen, make_report, tell_verdict

Say = Callable[[Progress | Notice], None]

MOST_READERS = 8
"""Processes that decode recordings for a GPU; a training on the CPU needs the cores itself, and one."""
PICTURE = "training.png"
"""Loss and WER over the steps, in the version's folder."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to; the checkpoint holds the weights."""

    checkpoint: Checkpoint
    description: ModelDescription
    result: JobResult
    report: dict[str, Any]
    clips: list[Waveform]
    """The first held-out recordings, or the first ones."""
    sample: list[SampleClip]
    """Held-out recordings to be stored with the model; none where none were held out."""
    picture: bytes = b""
    """The curves, as PNG."""
    language_model: BuiltLanguageModel | None = None
    """It is served with it where there are weights to decode with."""
    weights: Weights | None = None

    def write_beside(self, folder: Path) -> None:
        """Writes what a version has beside the network, into its folder."""
        if self.picture:
            (folder / PICTURE).write_bytes(self.picture)
        if self.language_model is not None and self.weights is not None:
            store_language_model(folder, self.language_model, self.weights)


def train(
    task: Task,
    checkpoint: Checkpoint,
    description: ModelDescription,
    say: Say,
    device: torch.device,
    *,
    folder: Path,
    ranks: Ranks = ALONE,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Trained | None:
    """Checks the rows, holds some out, fine-tunes the checkpoint in place, from where the state in the folder is.

    Returns:
        What it came to; None in all processes but the first of those that train together.

    Raises:
        DataError: there is nothing to learn from, or it is in another alphabet.
        JobFailed: the training diverged, or memory ran out.
        Stopped: `is_stopping` said so.
    """
    spec = task.spec
    rows = read_rows(Path(task.rows)) if task.rows else []
    head = fit_head(checkpoint, description, [row.text or "" for row in rows], base=task.base.name, seed=spec.seed)
    checkpoint, description = head.checkpoint, head.description
    if head.notice is not None:
        say(head.notice)
    config: Any = checkpoint.model.config
    rate = description.sample_rate
    checked: tuple[tuple[Utterance, ...], DataReport] | None = None
    if ranks.is_first:
        limits = Limits(rate, task.max_seconds, lambda samples: int(frame_count(config, samples)))
        threads = torch.get_num_threads()
        with span("check data", {"thanosql.rows": len(rows)}):
            checked = check_rows(
                rows, Path(task.workspace), head.alphabet, task.base.name, limits, say, threads=threads
            )
        for notice in checked[1].notices():
            say(notice)
    utterances, data = ranks.share(checked)

    has_speakers = any(row.speaker is not None for row in rows)
    speakers = [each.speaker for each in utterances] if has_speakers else None
    places, how = hold_out([str(each.file) for each in utterances], speakers, spec.eval_fraction, spec.seed)
    held_out = [utterances[place] for place in places]
    learned = [each for place, each in enumerate(utterances) if place not in set(places)]
    recipe = choose_recipe(spec, data.audio_seconds / 3600, data.kept, new_head=head.is_new)
    built: BuiltLanguageModel | LanguageModelReport | None = None
    if ranks.is_first:
        # It takes a moment; what is wrong with a file that was named is told now, and not after the training.
        sentences = [each.tokens for each in learned]
        built = build_language_model(spec.language_model, sentences, description, Path(task.workspace), say)
    size = ModelSize(config.num_hidden_layers, config.hidden_size, config.intermediate_size)
    readers = min(MOST_READERS, max(1, available_cores() // ranks.world - 1)) if device.type == "cuda" else 1
    with ReadAhead(rate, readers) as recordings:
        graph = checkpoint.graph().to(device)
        precision = choose_precision(device)
        memory, kept_bytes = share_memory(device, available_memory(device), ranks.world_here)
        training = FineTuning(
            graph,
            learned,
            held_out,
            recipe,
            description=description,
            features=FeatureStore(
                graph, recordings, sample_rate=rate, precision=precision, device=device, budget=kept_bytes
            ),
            folder=folder,
            tell=say,
            device=device,
            precision=precision,
            # As at an out-of-memory error that can be caught: half as much at once changes what dropout draws, no more.
            at_once=seconds_at_once(size, memory) / 2**task.killed_again,
            ranks=ranks,
            is_stopping=is_stopping,
        )
        with span("fine-tune"):
            outcome = training.run()
        if built is None:
            return None
        language_model_report, language_model, choice = try_language_model(
            task, built, training, held_out, description, say
        )
    if outcome.lost:
        row, why = next(iter(outcome.lost.items()))
        text = f"{len(outcome.lost)} recordings were gone when they were needed, row {row + 1} first: {why}."
        say(Notice(text, Severity.WARNING))
    after = choice.texts if choice is not None and choice.texts else outcome.after
    heard = listen(held_out, outcome.before, after)
    say(tell_verdict(heard, how, outcome))
    report = make_report(data, learned, held_out, how, recipe, outcome, heard, rate)
    report |= {
        "output_layer": head.change.value,
        "language_model": language_model_report.to_json(),
        "device": str(device),
        "devices": ranks.world,
        "precision": str(precision).removeprefix("torch."),
        "peak_memory_megabytes": (peak_memory() or 0) >> 20 or None,
    }
    if device.type == "cuda":
        report["peak_gpu_memory_megabytes"] = memory_in_use(device) >> 20

    def read(utterance: Utterance) -> Waveform:
        return read_audio(utterance.file, sample_rate=rate)

    stored = choose_sample([each.samples / rate for each in held_out])
    report["sample_rows"] = len(stored)
    return Trained(
        checkpoint,
        description,
        JobResult(
            spec.model,
            task.version,
            report.get("wer"),
            report.get("cer"),
            len(learned),
            data.rows - data.kept,
            data.audio_seconds,
        ),
        report,
        [read(each) for each in (held_out or learned)[:3]],
        [SampleClip(read(held_out[place]), held_out[place].text) for place in stored],
        draw_picture(list(read_points(folder)), f"{spec.model} version {task.version}"),
        language_model,
        choice.weights if choice is not None else None,
    )


def try_language_model(
    task: Task,
    built: BuiltLanguageModel | LanguageModelReport,
    training: FineTuning,
    held_out: Sequence[Utterance],
    description: ModelDescription,
    say: Say,
) -> tuple[LanguageModelReport, BuiltLanguageModel | None, Choice | None]:
    """Tries the language model of what was learned from on the held-out rows, where there is one."""
    if isinstance(built, LanguageModelReport):
        return built, None, None
    rows = draw_rows([each.samples / description.sample_rate for each in held_out], task.spec.seed)
    heard = [
        HeldOut(log_probs, held_out[place].text, held_out[place].speaker)
        for place, log_probs in zip(rows, training.listen(rows), strict=True)
    ]
    choice = choose_language_model(
        built, heard, description, say, seed=task.spec.seed, is_asked_for=task.spec.language_model != ""
    )
    # What was heard in a part of the rows does not stand for all of them.
    whole = choice if len(rows) == len(held_out) else replace(choice, texts=())
    return choice.report, built, whole


def read_rows(file: Path) -> list[Row]:
    """The rows that the parent wrote."""
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_file(source).read_all()
        columns = [table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in _COLUMNS]
    return [Row(*values) for values in zip(*columns, strict=True)]


_COLUMNS = ("audio_path", "text", "speaker")
