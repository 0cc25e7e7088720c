"""Tries a language model on the held-out rows of a training, and keeps it where it helps.

Weights are chosen on held-out rows, and weights that were chosen on rows flatter those very rows: so the error rate
that is told is cross-fitted. Each fifth of the rows is decoded with the weights that were best on the other four.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from thanosql.beam_search import beam_search
from thanosql.comparison import Comparison, compare
from thanosql.ctc import decode_text
from thanosql.evaluation import evaluate
from thanosql.language_model import Weights
from thanosql.modelstore import ModelDescription
from thanosql.scoring import word_errors
from thanosql.types import Notice, Progress, Severity
from trainer_service.language.language_model import BuiltLanguageModel, LanguageModelReport, Say, load_language_model

TRIALS = 24
"""Weights that are tried, at most."""
FEWEST_TRIALS = 8
FOLDS = 5
"""Parts of the held-out rows that are judged by weights chosen on the others: with two, half of few rows choose."""
MOST_AUDIO_SECONDS = 600.0
"""Of held-out rows that are decoded in each trial."""
DECODED_SECONDS = 5_000.0
"""Of audio in all trials together, which takes about a minute; by the clock, two runs would not try the same."""

LogProbs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A row that was not learned from, as the trained network hears it."""

    log_probs: LogProbs
    """`[frames, vocabulary]`, of the real frames."""
    text: str
    """What it says, as the user wrote it."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The end of the trials."""

    report: LanguageModelReport
    weights: Weights | None
    """None: the model is served without a language model."""
    texts: tuple[str, ...] = field(default=(), repr=False)
    """What each held-out row is decoded to, cross-fitted; empty where it is decoded greedily."""


def draw_rows(seconds: Sequence[float], seed: int) -> list[int]:
    """Which held-out rows are tried: drawn, as many as last `MOST_AUDIO_SECONDS`, two at least; ascending.

    Args:
        seconds: Length of each.
        seed: Of the choice.
    """
    places = list(range(len(seconds)))
    random.Random(seed).shuffle(places)
    chosen: list[int] = []
    total = 0.0
    for place in places:
        total += seconds[place]
        if len(chosen) >= 2 and total > MOST_AUDIO_SECONDS:
            break
        chosen.append(place)
    return sorted(chosen)


def choose_language_model(
    built: BuiltLanguageModel,
    held_out: Sequence[HeldOut],
    description: ModelDescription,
    say: Say,
    *,
    seed: int,
    is_asked_for: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Choice:
    """Decodes held-out rows with several weights, and keeps the language model where that lowers the word error rate.

    It is kept where the 95 % interval of the difference lies below zero (bootstrap, speakers drawn where they are
    known): the greedy transcripts against those with the language model, cross-fitted. Where no row was held out it
    cannot be told, and it is not kept.

    Args:
        built: The language model.
        held_out: Rows that were not learned from; all of them are decoded in each trial, so `draw_rows`.
        description: Of the network.
        say: Takes the progress, and a warning where it is not kept.
        seed: Of the weights that are tried, and of the folds.
        is_asked_for: The user asked for a language model: where it is not kept, a warning says so.
        clock: Seconds.

    Raises:
        DataError: the file of the language model is damaged.
    """
    began = clock()
    known = _describe(built, held_out)
    if len(held_out) < 2:
        reason = "fewer than two rows were held out, so that it cannot be told whether it helps"
        return _refuse(LanguageModelReport(False, reason, **known), say, is_asked_for)
    rows = held_out
    seconds = sum(len(row.log_probs) for row in rows) * description.frame_samples / description.sample_rate
    model = load_language_model(built, description)
    tried = draw_weights(seed)[: max(FEWEST_TRIALS, int(DECODED_SECONDS / max(seconds, 1.0)))]
    trials: list[list[str]] = []
    for weights in tried:
        say(Progress("try the language model", len(trials), len(tried), "weights"))
        trials.append([beam_search(row.log_probs, description, language=model.scores(weights)).text for row in rows])
    say(Progress("try the language model", len(tried), len(tried), "weights"))
    references = [row.text for row in rows]
    greedy = [decode_text(row.log_probs.argmax(-1), description) for row in rows]
    errors = np.array(
        [
            [word_errors([said], [heard]).errors for said, heard in zip(references, texts, strict=True)]
            for texts in trials
        ]
    )
    crossed = [trials[trial][row] for row, trial in enumerate(cross_fit(errors, _draw_folds(rows, seed)))]
    speakers = [row.speaker for row in rows] if any(row.speaker for row in rows) else None
    comparison = compare(
        evaluate(references, greedy, speakers=speakers), evaluate(references, crossed, speakers=speakers)
    )
    best = tried[int(errors.sum(axis=1).argmin())]
    kept = comparison.is_shown and comparison.after < comparison.before
    report = LanguageModelReport(
        kept,
        _explain(comparison, kept),
        **known,
        wer_greedy=comparison.before,
        wer=comparison.after,
        difference=comparison.sentence,
        rows=len(rows),
        lm_weight=best.lm_weight,
        word_score=best.word_score,
        unknown_score=best.unknown_score,
        trials=len(tried),
        seconds=round(clock() - began, 1),
    )
    if not kept:
        return _refuse(report, say, is_asked_for)
    say(Notice(f"The model is decoded with a language model of {built.source}: {report.reason}."))
    return Choice(report, best, tuple(crossed))


def draw_weights(seed: int) -> list[Weights]:
    """What is tried: two that are often good, then points at random, spread over where good ones lie."""
    draw = random.Random(seed)
    fixed = [Weights(0.3, 1.0, -1.0), Weights(0.6, 1.5, 0.0)]
    drawn = [
        Weights(
            round(0.15 * 8 ** draw.random(), 3), round(draw.uniform(0.0, 3.0), 2), round(draw.uniform(-2.5, 0.5), 2)
        )
        for _ in range(TRIALS - len(fixed))
    ]
    return [*fixed, *drawn]


def cross_fit(errors: npt.NDArray[np.integer], folds: npt.NDArray[np.integer]) -> list[int]:
    """The trial by which each row is to be judged: the one with the fewest errors on the rows of the other folds.

    Args:
        errors: `[trials, rows]`.
        folds: `[rows]`: the number of the fold that each row is in.
    """
    best = {fold: int(errors[:, folds != fold].sum(axis=1).argmin()) for fold in set(folds.tolist())}
    return [best[fold] for fold in folds.tolist()]


def _draw_folds(rows: Sequence[HeldOut], seed: int) -> npt.NDArray[np.integer]:
    """The fold of each row: whole speakers where there are two or more, else single rows."""
    groups: list[Any] = [row.speaker for row in rows]
    if None in groups or len(set(groups)) < 2:
        groups = list(range(len(rows)))
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)
    fold = {name: place % FOLDS for place, name in enumerate(names)}
    return np.array([fold[group] for group in groups])


def _describe(built: BuiltLanguageModel, held_out: Sequence[HeldOut]) -> dict[str, Any]:
    known = {spelling.casefold() for spelling in built.spellings.values()}
    words = [word for row in held_out for word in row.text.casefold().split()]
    return {
        "source": built.source,
        "order": built.order,
        "words": built.words,
        "vocabulary": len(built.spellings),
        "unknown_share": sum(word not in known for word in words) / len(words) if words else None,
    }


def _explain(comparison: Comparison, kept: bool) -> str:
    told = f"word error rate {comparison.sentence} on {comparison.rows} held-out rows, without → with it"
    if kept:
        return told
    if comparison.after >= comparison.before:
        return f"it does not help: {told}"
    return f"it is not certain that it helps: {told}"


def _refuse(report: LanguageModelReport, say: Say, is_asked_for: bool) -> Choice:
    if is_asked_for:
        text = f"The language model is not kept: {report.reason}. The model is decoded without one."
        say(Notice(text, Severity.WARNING))
    return Choice(report, None)
