"""A BUILD job from its rows to a trained network and the report on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from thanosql.audio import read_audio
from thanosql.held_out import SampleClip, choose_sample
from thanosql.modelstore import ModelDescription
from thanosql.types import JobResult, Notice, Progress, Severity
from trainer_service.checkpoints import Checkpoint
from trainer_service.dataset import DataReport, Limits, Row, Utterance, check_rows
from trainer_service.finetune import Outcome, fine_tune
from trainer_service.graph import Waveform, frame_count
from trainer_service.jobs import Task
from trainer_service.machine import available_memory, choose_precision, peak_memory
from trainer_service.recipe import ModelSize, Recipe, choose_recipe, hold_out
from trainer_service.text import Alphabet

Say = Callable[[Progress | Notice], None]

FEW_HELD_OUT = 100
"""Held-out rows under which a difference in WER says little."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to; the checkpoint holds the weights."""

    result: JobResult
    report: dict[str, Any]
    clips: list[Waveform]
    """The first held-out recordings, or the first ones."""
    sample: list[SampleClip]
    """Held-out recordings to be stored with the model; none where none were held out."""


def train(task: Task, checkpoint: Checkpoint, description: ModelDescription, say: Say, device: torch.device) -> Trained:
    """Checks the rows, holds some out, fine-tunes the checkpoint in place.

    Raises:
        DataError: there is nothing to learn from, or it is in another alphabet.
        JobFailed: the training diverged.
    """
    config: Any = checkpoint.model.config
    alphabet = Alphabet(description.vocabulary, description.word_delimiter, (description.blank, *description.special))
    limits = Limits(description.sample_rate, task.max_seconds, lambda samples: int(frame_count(config, samples)))
    rows = read_rows(Path(task.rows)) if task.rows else []
    utterances, data = check_rows(
        rows, Path(task.workspace), alphabet, task.base.name, limits, say, threads=torch.get_num_threads()
    )
    say(Notice(data.summary() + ".", Severity.WARNING if data.dropped else Severity.INFO))
    has_speakers = any(row.speaker is not None for row in rows)
    speakers = [each.speaker for each in utterances] if has_speakers else None
    places, how = hold_out(len(utterances), speakers, task.spec.eval_fraction, task.spec.seed)
    held_out = [utterances[place] for place in places]
    learned = [each for place, each in enumerate(utterances) if place not in set(places)]
    recipe = choose_recipe(
        task.spec,
        data.audio_seconds / 3600,
        size=ModelSize(config.num_hidden_layers, config.hidden_size, config.intermediate_size),
        memory=available_memory(device),
    )

    def read(utterance: Utterance) -> Waveform:
        return read_audio(utterance.file, sample_rate=description.sample_rate)

    outcome = fine_tune(
        checkpoint.graph(), learned, held_out, recipe, description=description, read=read, tell=say, device=device
    )
    say(_verdict(outcome, len(held_out), how))
    report = _report(data, learned, held_out, how, recipe, outcome, description.sample_rate, device)
    stored = choose_sample([each.samples / description.sample_rate for each in held_out])
    report["sample_rows"] = len(stored)
    result = JobResult(
        task.spec.model,
        task.version,
        outcome.after.words.rate if outcome.after else None,
        outcome.after.characters.rate if outcome.after else None,
        len(learned),
        data.rows - data.kept,
        data.audio_seconds,
    )
    sample = [SampleClip(read(held_out[place]), held_out[place].text) for place in stored]
    return Trained(result, report, [read(each) for each in (held_out or learned)[:3]], sample)


def read_rows(file: Path) -> list[Row]:
    """The rows that the parent wrote."""
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_file(source).read_all()
        columns = [table[name].to_pylist() if name in table.column_names else [None] * len(table) for name in _COLUMNS]
    return [Row(*values) for values in zip(*columns, strict=True)]


_COLUMNS = ("audio_path", "text", "speaker")


def _verdict(outcome: Outcome, held_out: int, how: str) -> Notice:
    if outcome.before is None or outcome.after is None:
        return Notice(
            "No rows were held out, so the error rate of the new model is not known. eval_fraction=0.1 holds some out; "
            "PREDICT with text_col tells the error rate over other rows."
        )
    before, after = outcome.before.words.rate, outcome.after.words.rate
    few = " So few rows say little about small differences." if held_out < FEW_HELD_OUT else ""
    text = f"Word error rate on {held_out} held-out rows ({how}): {before:.1%} before, {after:.1%} after.{few}"
    if after > before:
        return Notice(f"{text} It got worse: try a smaller learning_rate or more rows.", Severity.WARNING)
    return Notice(text)


def _report(
    data: DataReport,
    learned: Sequence[Utterance],
    held_out: Sequence[Utterance],
    how: str,
    recipe: Recipe,
    outcome: Outcome,
    sample_rate: int,
    device: torch.device,
) -> dict[str, Any]:
    """The training report, as it is kept with the model: numbers and short texts, ready for JSON."""
    rates: dict[str, float] = {}
    for name, scores in (("base_", outcome.before), ("", outcome.after)):
        if scores is not None:
            rates |= {f"{name}wer": scores.words.rate, f"{name}cer": scores.characters.rate}
    return {
        **asdict(data),
        "train_rows": len(learned),
        "held_out_rows": len(held_out),
        "held_out_seconds": sum(each.samples for each in held_out) / sample_rate,
        "held_out_choice": how,
        **rates,
        "loss": outcome.loss,
        "epochs": outcome.epochs,
        "best_epoch": outcome.best_epoch,
        "steps": outcome.steps,
        "audio_seconds_per_second": round(outcome.audio_seconds_per_second, 1),
        "recipe": asdict(recipe),
        "device": str(device),
        "precision": str(choose_precision(device)).removeprefix("torch."),
        "peak_memory_megabytes": (peak_memory() or 0) >> 20 or None,
    }
