"""The language model of a training: built from its transcripts, tried on the held-out rows, kept where it helps.

What it is built from are the rows that are learned from, and no others; `language_model='path'` names a text or an
n-gram model of the workspace instead. Weights are chosen on held-out rows, and weights that were chosen on rows
flatter those very rows: so the error rate that is told is cross-fitted. Each fifth of the rows is decoded with the
weights that were best on the other four.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thanosql.alphabet import find_alphabet
from thanosql.beam_search import beam_search
from thanosql.comparison import Comparison, compare
from thanosql.ctc import decode_text
from thanosql.errors import DataError
from thanosql.evaluation import evaluate
from thanosql.language_model import (
    UNKNOWN,
    LanguageModel,
    Weights,
    is_installed,
    require_installed,
    write_language_model,
)
from thanosql.modelstore import ModelDescription
from thanosql.scoring import word_errors
from thanosql.types import Notice, Progress, Severity
from thanosql.workspace import existing_file
from trainer_service.kneser_ney import NgramModel, estimate

ORDER = 4
FEWEST_WORDS = 300
"""Running words from which on a language model is built without being asked for.

Measured with the bundled model on LibriSpeech (79.3 % greedy), weights fixed: 72.7 % with 317 words, 70.8 % with 1,121,
66.4 % with 4,727; on the tutorial's rows (61.5 %), 59.4 % with 301 words, and 62.5 % with 152: worse than without.
"""
PRUNED_FROM_WORDS = 1_000_000
"""From so many running words on, triples and longer ones that stand there once are left out: most of the file."""

TRIALS = 24
"""Weights that are tried, at most."""
FEWEST_TRIALS = 8
FOLDS = 5
"""Parts of the held-out rows that are judged by weights chosen on the others: with two, half of few rows choose."""
MOST_AUDIO_SECONDS = 600.0
"""Of held-out rows that are decoded in each trial."""
DECODED_SECONDS = 5_000.0
"""Of audio in all trials together, which takes about a minute; by the clock, two runs would not try the same."""

Say = Callable[[Progress | Notice], None]
LogProbs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BuiltLanguageModel:
    """A language model that is not chosen yet."""

    grams: NgramModel | Path
    """Its n-grams, or the ARPA file that they stand in."""
    spellings: dict[str, str]
    """How the network spells each word of the file; words that it cannot spell, or spells like another, are not in."""
    order: int
    words: int
    """Running words that it was made of; 0 where it came as n-grams."""
    source: str
    """Where from: "the transcripts", or the path that the user gave."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A row that was not learned from, as the trained network hears it."""

    log_probs: LogProbs
    """`[frames, vocabulary]`, of the real frames."""
    text: str
    """What it says, as the user wrote it."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class LanguageModelReport:
    """What became of the language model; part of the training report. Error rates are fractions."""

    kept: bool
    reason: str
    """Why it was kept or not, in a sentence."""
    source: str = ""
    order: int = 0
    words: int = 0
    """Running words that it was made of."""
    vocabulary: int = 0
    """Different words that it knows."""
    unknown_share: float | None = None
    """Of the words of the held-out rows, those that it does not know."""
    wer_greedy: float | None = None
    wer: float | None = None
    """On the same rows, cross-fitted: each was decoded with weights that were chosen on others."""
    difference: str = ""
    """Both, with the 95 % interval of their difference."""
    rows: int = 0
    lm_weight: float | None = None
    word_score: float | None = None
    unknown_score: float | None = None
    trials: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As it stands in the training report."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Choice:
    """The end of the trials."""

    report: LanguageModelReport
    weights: Weights | None
    """None: the model is served without a language model."""
    texts: tuple[str, ...] = field(default=(), repr=False)
    """What each held-out row is decoded to, cross-fitted; empty where it is decoded greedily."""


def build_language_model(
    option: str,
    sentences: Iterable[Sequence[int]],
    description: ModelDescription,
    workspace: Path,
    say: Say,
) -> BuiltLanguageModel | LanguageModelReport:
    """The language model that a job asks for; or why there is none.

    Args:
        option: `JobSpec.language_model`: empty (built where there are enough words), "true", "false", or a path.
        sentences: Labels of the rows that are learned from, of those alone.
        description: The vocabulary that spells them.
        workspace: Which paths are relative to.
        say: Takes the progress.

    Raises:
        DataError: there is nothing to build from, though it is asked for; the file cannot be used.
        NotFound, PathRefused: the path names no file of the workspace.
        NotSupported: it is asked for, and flashlight-text is not installed.
    """
    if option == "false":
        return LanguageModelReport(False, "language_model=False")
    is_asked_for = option != ""
    if is_asked_for:
        require_installed()
    elif not is_installed():
        return LanguageModelReport(False, "flashlight-text is not installed in the trainer")
    path = None if option in ("", "true") else existing_file(workspace, option)
    say(Progress("build the language model", 0, 1))
    if path is not None and _is_arpa(path):
        built = BuiltLanguageModel(path, *_read_arpa(path, option, description), 0, option)
    else:
        texts = spell_words(sentences, description) if path is None else _read_text(path, option, description)
        words = sum(map(len, texts))
        if not is_asked_for and words < FEWEST_WORDS:
            reason = f"{words} words are too few for a language model; {FEWEST_WORDS} are enough"
            return LanguageModelReport(False, reason, words=words)
        if not words:
            raise DataError("there is no word to build a language model from", hint="Leave language_model out.")
        model = estimate(texts, ORDER, prune=(0, 0, 1) if words >= PRUNED_FROM_WORDS else ())
        spellings = {word: word for word in model.words[3:]}
        source = "the transcripts" if path is None else option
        built = BuiltLanguageModel(model, spellings, len(model.orders), words, source)
    say(Progress("build the language model", 1, 1))
    return built


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
        held_out: Rows that were not learned from.
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
    rows, seconds = _choose_rows(held_out, description, seed)
    model = _load(built, description)
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
    return Choice(report, best, tuple(crossed) if len(rows) == len(held_out) else ())


def store_language_model(folder: Path, built: BuiltLanguageModel, weights: Weights) -> None:
    """Writes it into the folder of a version."""
    grams = built.grams if isinstance(built.grams, Path) else built.grams.arpa()
    write_language_model(folder, grams, built.spellings, weights)


def _load(built: BuiltLanguageModel, description: ModelDescription) -> LanguageModel:
    if isinstance(built.grams, Path):
        return LanguageModel(built.grams, built.spellings, description)
    with tempfile.TemporaryDirectory(prefix="language-model-") as folder:
        arpa = Path(folder) / "words.arpa"
        with arpa.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in built.grams.arpa())
        # KenLM holds all of it in memory.
        return LanguageModel(arpa, built.spellings, description)


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


def spell_words(sentences: Iterable[Sequence[int]], description: ModelDescription) -> list[list[str]]:
    """The words of transcripts that are given as labels, as the network spells them."""
    alphabet = find_alphabet(description)
    return [alphabet.decode(labels).split() for labels in sentences]


def _read_text(path: Path, name: str, description: ModelDescription) -> list[list[str]]:
    """A text of the workspace, a sentence a line; lines that the vocabulary cannot spell are left out."""
    alphabet = find_alphabet(description)
    try:
        with path.open(encoding="utf-8") as lines:
            labels = [alphabet.encode(line) for line in lines if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(
            f"language_model={name!r} is no text: {error}",
            hint="Give a text in UTF-8, a sentence a line, or n-grams in the ARPA format (not KenLM's binary).",
        ) from error
    spelled = [each.tokens for each in labels if each.tokens and not each.unknown]
    if not spelled:
        raise DataError(
            f"language_model={name!r} holds no sentence that the vocabulary can spell",
            hint="Give a text in the language of the model, a sentence a line, numbers written as words.",
        )
    return spell_words(spelled, description)


def _is_arpa(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1000).lstrip().startswith(b"\\data\\")


def _read_arpa(path: Path, name: str, description: ModelDescription) -> tuple[dict[str, str], int]:
    """How the network spells the words of an n-gram model, and its order; of words spelled alike, the likeliest."""
    alphabet = find_alphabet(description)
    best: dict[str, tuple[float, str]] = {}
    order, section = 0, ""
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("\\") and section == "\\1-grams:":
                    break
                if line.startswith("\\"):
                    section = line.strip()
                elif section == "\\data\\" and line.startswith("ngram"):
                    order = max(order, int(line.split()[1].split("=")[0]))
                elif section == "\\1-grams:" and line.strip():
                    log, word = float(line.split()[0]), line.split()[1]
                    labels = alphabet.encode(word)
                    if (
                        word in (UNKNOWN, "<s>", "</s>")
                        or labels.unknown
                        or description.word_delimiter in labels.tokens
                    ):
                        continue
                    spelling = "".join(description.vocabulary[token] for token in labels.tokens)
                    if spelling and (spelling not in best or best[spelling][0] < log):
                        best[spelling] = log, word
    except (ValueError, IndexError) as error:  # UnicodeDecodeError is one
        raise DataError(f"language_model={name!r} is damaged: {error}", hint="It begins as an ARPA file.") from error
    if not best:
        raise DataError(
            f"language_model={name!r} knows no word that the vocabulary can spell",
            hint="Give n-grams of words in the language of the model.",
        )
    return {word: spelling for spelling, (_, word) in best.items()}, order


def _choose_rows(held_out: Sequence[HeldOut], description: ModelDescription, seed: int) -> tuple[list[HeldOut], float]:
    """As many rows as are decoded in each trial, drawn, in their order; and how many seconds of audio they are."""
    places = list(range(len(held_out)))
    random.Random(seed).shuffle(places)
    seconds = description.frame_samples / description.sample_rate
    chosen: list[int] = []
    total = 0.0
    for place in places:
        length = len(held_out[place].log_probs) * seconds
        if len(chosen) >= 2 and total + length > MOST_AUDIO_SECONDS:
            break
        chosen.append(place)
        total += length
    return [held_out[place] for place in sorted(chosen)], total


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
