"""The language model of a training: n-grams of the transcripts that are learned from, or of a file of the user's.

What it is built from are the rows that are learned from, and no others; `language_model='path'` names a text or an
n-gram model of the workspace instead. Whether it is kept is decided in `trainer_service.language.language_trials`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thanosql.alphabet import find_alphabet
from thanosql.errors import DataError
from thanosql.language_model import (
    UNKNOWN,
    LanguageModel,
    Weights,
    is_installed,
    require_installed,
    write_language_model,
)
from thanosql.modelstore import ModelDescription
from thanosql.types import Notice, Progress
from thanosql.workspace import existing_file
from trainer_service.language.kneser_ney import NgramModel, estimate

ORDER = 4
FEWEST_WORDS = 300
"""Running words from which on a language model is built without being asked for.

Measured with the bundled model on LibriSpeech (79.3 % greedy), weights fixed: 72.7 % with 317 words, 70.8 % with 1,121,
66.4 % with 4,727; on the tutorial's rows (61.5 %), 59.4 % with 301 words, and 62.5 % with 152: worse than without.
"""
PRUNED_FROM_WORDS = 1_000_000
"""From so many running words on, triples and longer ones that stand there once are left out: most of the file."""

Say = Callable[[Progress | Notice], None]


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


def load_language_model(built: BuiltLanguageModel, description: ModelDescription) -> LanguageModel:
    """Loads it into memory, to decode with.

    Raises:
        DataError: its file is damaged.
    """
    if isinstance(built.grams, Path):
        return LanguageModel(built.grams, built.spellings, description)
    with tempfile.TemporaryDirectory(prefix="language-model-") as folder:
        arpa = Path(folder) / "words.arpa"
        with arpa.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in built.grams.arpa())
        # KenLM holds all of it in memory.
        return LanguageModel(arpa, built.spellings, description)


def store_language_model(folder: Path, built: BuiltLanguageModel, weights: Weights) -> None:
    """Writes it into the folder of a version."""
    grams = built.grams if isinstance(built.grams, Path) else built.grams.arpa()
    write_language_model(folder, grams, built.spellings, weights)


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
