"""The language model of a version: an n-gram model of words, beside the network in the version's folder.

`<version>/language_model/` holds

* `words.arpa`: the n-grams, in the ARPA format;
* `words.tsv`: each word of it, a tab, and how the network spells it;
* `decoding.json`: the weights that the search takes it with.

The trainer writes it where it lowers the word error rate on held-out rows; whoever decodes with it reads it. KenLM
answers for the n-grams, out of flashlight-text's wheel; the words are known here, as a tree of tokens.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thanosql.errors import DataError, NotSupported
from thanosql.modelstore import ModelDescription

FOLDER = "language_model"
ARPA = "words.arpa"
WORDS = "words.tsv"
DECODING = "decoding.json"
UNKNOWN = "<unk>"

Integers = NDArray[np.int64]
_NEPER = math.log(10)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much the words count beside the sound, in the sum that the search maximises."""

    lm_weight: float
    """Of the natural logarithm of the probability of the words."""
    word_score: float
    """Nats for each word: against the language model's leaning to few words."""
    unknown_score: float = 0.0
    """Nats for each word that the language model does not know, beside the probability of `<unk>`."""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Known words as a tree of tokens: nodes are numbered by depth, then in order, so that edges are sorted."""

    edges: Integers
    """`[nodes]`: parent · vocabulary + token, ascending, then a number above all; edge `i` leads to node `i + 1`."""
    word: Integers
    """`[nodes]`: the number of the word that ends at the node; -1: none."""
    vocabulary: int
    """Tokens of the model."""

    def spell(self, nodes: Integers, tokens: Integers) -> Integers:
        """`[n]`: the node one token further; -1 where there is none."""
        keys = nodes * self.vocabulary + tokens
        places = np.searchsorted(self.edges, keys)
        return np.where((nodes >= 0) & (self.edges[places] == keys), places + 1, -1)


def build_lexicon(spellings: Sequence[Sequence[int]], vocabulary: int) -> Lexicon:
    """The tree of words that are numbered as they come; one without tokens is never met."""
    longest = max(map(len, spellings), default=0)
    rows = np.full((len(spellings), longest + 1), -1, np.int64)
    for row, spelling in zip(rows, spellings, strict=True):
        row[: len(spelling)] = spelling
    number = np.lexsort(rows.T[::-1])
    rows = rows[number]
    nodes, count = np.zeros(len(rows), np.int64), 1
    edges, word = [], [np.full(1, -1, np.int64)]
    for depth in range(longest):
        goes_on = rows[:, depth] >= 0
        rows, number, nodes = rows[goes_on], number[goes_on], nodes[goes_on]
        keys, place = np.unique(nodes * vocabulary + rows[:, depth], return_inverse=True)
        ends = rows[:, depth + 1] < 0
        words = np.full(len(keys), -1, np.int64)
        words[place[ends]] = number[ends]
        edges.append(keys)
        word.append(words)
        nodes = place + count
        count += len(keys)
    return Lexicon(np.concatenate([*edges, [np.iinfo(np.int64).max]]), np.concatenate(word), vocabulary)


class LanguageModel:
    """A language model in memory; any number of threads may decode with it at once.

    Args:
        arpa: File of the n-grams.
        spellings: How the model spells each word of it that can come out.
        model: Whose tokens spell the words.

    Raises:
        NotSupported: flashlight-text is not installed.
        DataError: the file is damaged.
    """

    def __init__(self, arpa: Path, spellings: Mapping[str, str], model: ModelDescription) -> None:
        load, dictionary = _find_kenlm()
        index = {token: place for place, token in enumerate(model.vocabulary) if place not in model.special}
        words = (UNKNOWN, *spellings)
        self.words = len(spellings)
        self._lexicon = build_lexicon(
            [(), *(_spell(spelling, index) for spelling in spellings.values())], len(model.vocabulary)
        )
        try:
            with _kept_quiet():
                # KenLM is asked by the words' numbers here.
                self._kenlm = load(str(arpa), dictionary(list(words)))
        except RuntimeError as error:
            raise DataError(
                f"KenLM cannot read the language model {arpa.name}: {str(error).strip().splitlines()[-1]}",
                hint="It takes n-grams in the ARPA format, with every number and tab in its place.",
            ) from error

    def scores(self, weights: Weights) -> WordScores:
        """For the decoding of one recording."""
        return WordScores(self._kenlm, self._lexicon, weights)


class WordScores:
    """What a search over one recording asks: `thanosql.beam_search.LanguageScores`. Remembers what it was asked."""

    def __init__(self, kenlm: Any, lexicon: Lexicon, weights: Weights) -> None:
        self._kenlm, self._lexicon, self._weights = kenlm, lexicon, weights
        self._histories: list[Any] = [kenlm.start(False)]
        self._known: dict[tuple[int, int], tuple[int, float]] = {}

    def start(self) -> int:
        """Behind `<s>`. (For the methods see `LanguageScores`.)"""
        return 0

    def begin_word(self) -> int:
        """The root of the lexicon."""
        return 0

    def spell(self, places: Integers, tokens: Integers) -> Integers:
        """Down the lexicon."""
        return self._lexicon.spell(places, tokens)

    def leave_words(self, history: int) -> float:
        """An unknown word is paid for as soon as it is known to be one."""
        return self._score(history, _UNKNOWN)[1] + self._weights.unknown_score

    def end_word(self, history: int, place: int) -> tuple[int, float]:
        """The probability of the word; the beginning of known words that is none of them is unknown too."""
        if place < 0:
            return self._score(history, _UNKNOWN)[0], self._weights.word_score
        word = int(self._lexicon.word[place])
        if word < 0:
            return self._score(history, _UNKNOWN)[0], self.leave_words(history) + self._weights.word_score
        following, score = self._score(history, word)
        return following, score + self._weights.word_score

    def finish(self, history: int) -> float:
        """The probability of the sentence's end."""
        return self._weights.lm_weight * _NEPER * float(self._kenlm.finish(self._histories[history])[1])

    def _score(self, history: int, word: int) -> tuple[int, float]:
        known = self._known.get((history, word))
        if known is None:
            state, score = self._kenlm.score(self._histories[history], word)
            self._histories.append(state)
            known = len(self._histories) - 1, self._weights.lm_weight * _NEPER * float(score)
            self._known[history, word] = known
        return known


_UNKNOWN = 0
"""Number of the unknown word."""


def write_language_model(
    folder: Path, arpa: Path | Iterable[str], spellings: Mapping[str, str], weights: Weights
) -> None:
    """Writes a language model into the version in `folder`.

    Args:
        folder: Of the version.
        arpa: A file of n-grams, which is copied, or its lines.
        spellings: How the network spells each word of it.
        weights: For the search.
    """
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    if isinstance(arpa, Path):
        with arpa.open("rb") as source, (target / ARPA).open("wb") as copy:
            while block := source.read(1 << 20):
                copy.write(block)
    else:
        with (target / ARPA).open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in arpa)
    with (target / WORDS).open("w", encoding="utf-8") as file:
        file.writelines(f"{word}\t{spelling}\n" for word, spelling in spellings.items())
    (target / DECODING).write_text(json.dumps(asdict(weights)) + "\n", "utf-8")


def read_language_model(folder: Path, model: ModelDescription) -> tuple[LanguageModel, Weights] | None:
    """The language model of the version in `folder`, and its weights; None where it has none.

    Raises:
        NotSupported: flashlight-text is not installed.
        DataError: its files are damaged.
    """
    source = folder / FOLDER
    if not source.is_dir():
        return None
    try:
        weights = Weights(**json.loads((source / DECODING).read_text("utf-8")))
        with (source / WORDS).open(encoding="utf-8") as lines:
            spellings = dict(line.rstrip("\n").split("\t") for line in lines)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"the language model in {source} is damaged: {error}",
            hint="Build the model again, or remove that folder: it is then decoded without one.",
        ) from error
    return LanguageModel(source / ARPA, spellings, model), weights


def count_language_model_bytes(folder: Path) -> int:
    """About what the language model of the version in `folder` takes in memory; 0 where it has none.

    KenLM takes less for an n-gram than its line in the file; the words and their tree come to some ten times `WORDS`.
    """
    files = ((folder / FOLDER / ARPA, 1), (folder / FOLDER / WORDS, 10))
    return sum(times * file.stat().st_size for file, times in files if file.is_file())


def _spell(spelling: str, index: Mapping[str, int]) -> tuple[int, ...]:
    """The tokens of a word, a character each; none where one of them is not the model's."""
    tokens = tuple(index.get(character, -1) for character in spelling)
    return () if -1 in tokens else tokens


def _find_kenlm() -> tuple[Callable[[str, Any], Any], Callable[[list[str]], Any]]:
    try:
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError as error:
        raise NotSupported(
            "a language model needs flashlight-text, which is not installed here",
            hint="pip install flashlight-text: it has wheels for Python 3.11 and 3.12 on Linux. A model that was "
            "built with language_model=False needs none, and its folder language_model can be removed.",
        ) from error
    return KenLM, Dictionary


def require_installed() -> None:
    """Refuses where language models cannot be used.

    Raises:
        NotSupported: flashlight-text is not installed.
    """
    _find_kenlm()


def is_installed() -> bool:
    """Whether language models can be used here."""
    try:
        require_installed()
    except NotSupported:
        return False
    return True


_quiet = threading.Lock()


@contextmanager
def _kept_quiet() -> Iterator[None]:
    """Leaves out what KenLM writes to standard error while it loads: a progress bar, and advice for its own tools.

    It goes to the descriptor, past Python. What other threads write meanwhile comes out when the block ends.
    """
    with _quiet, tempfile.TemporaryFile() as meanwhile:
        error = os.dup(2)
        os.dup2(meanwhile.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(error, 2)
            meanwhile.seek(0)
            for line in meanwhile:
                if not line.startswith(
                    (b"Loading the LM will be faster", b"Reading ", b"----5---10", b"****", b"The ARPA")
                ):
                    os.write(error, line)
            os.close(error)
