"""Words and phrases that a decoder is to favour, as an automaton over a model's tokens.

Each letter that goes on with a hotword adds the weight to the score at once, so that the word is not given up before it
is complete; what was added is taken back where another letter follows, or the word goes on past the hotword's end. A
hotword begins and ends where a word does: "art" says nothing of "party". Failing in the middle of a phrase falls back
on the longest end of it that another hotword begins with (Aho & Corasick 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thanosql.alphabet import find_alphabet
from thanosql.errors import InvalidOption
from thanosql.modelstore import ModelDescription

Tokens = tuple[int, ...]

WEIGHT = 1.0
"""Nats for each letter, where nothing else is asked for.

Measured with the bundled model (79 % word error rate) on 80 rows of LibriSpeech, with 20 words of them that are said 21
times: greedy decoding has 1 of these right; a weight of 0.5 has 5 right, and none where it was not said; 1 has 8 and 2
such insertions; 1.5 has 10 and 10; 2 has 15 and 29.
"""
MOST_WEIGHT = 20.0
MOST_HOTWORDS = 1_000
"""The automaton has a row as wide as the vocabulary for each of their letters."""
MOST_LETTERS = 100
"""Of a hotword."""

OUTSIDE = 1
"""State in the middle of a word that is no hotword; 0 is the state before a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Hotwords:
    """The automaton; state 0 is where every recording begins."""

    following: NDArray[np.int64]
    """`[states, vocabulary]`: the state after a token."""
    gain: NDArray[np.float64]
    """`[states, vocabulary]`: what that token adds to the score, in nats."""
    at_end: NDArray[np.float64]
    """`[states]`: what the end of the recording adds: it takes back what an unfinished hotword was given."""


def find_hotwords(texts: Sequence[str], weight: float, model: ModelDescription) -> Hotwords | None:
    """The automaton of words and phrases as a user wrote them; None where there is none.

    Raises:
        InvalidOption: the model cannot spell one of them, they are too many or too long, or the weight makes no sense.
    """
    if not texts:
        return None
    if not 0 < weight <= MOST_WEIGHT:
        raise InvalidOption(
            f"hotword_weight={weight:g} makes no sense", hint=f"Give a number above 0 and up to {MOST_WEIGHT:g}."
        )
    if len(texts) > MOST_HOTWORDS:
        raise InvalidOption(f"{len(texts):,} hotwords are too many", hint=f"Give no more than {MOST_HOTWORDS:,}.")
    alphabet = find_alphabet(model)
    spellings, unknown = [], []
    for text in texts:
        if len(text) > MOST_LETTERS:
            raise InvalidOption(f"the hotword {text[:30]!r}… is too long", hint=f"At most {MOST_LETTERS} characters.")
        labels = alphabet.encode(text)
        if labels.unknown or not labels.tokens:
            unknown.append(text)
        spellings.append(labels.tokens)
    if unknown:
        named = ", ".join(map(repr, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise InvalidOption(
            f"model {model.name!r} cannot spell the hotwords {named}"
            if len(unknown) > 1
            else f"model {model.name!r} cannot spell the hotword {named}",
            hint=f"Its letters are: {alphabet.letters}. Write numbers as words.",
        )
    return compile_hotwords(spellings, len(model.vocabulary), model.word_delimiter, weight)


def compile_hotwords(spellings: Sequence[Tokens], vocabulary: int, delimiter: int, weight: float) -> Hotwords:
    """The automaton of hotwords.

    Args:
        spellings: Tokens of each word or phrase, words parted by the delimiter.
        vocabulary: Tokens of the model.
        delimiter: The token between words.
        weight: Nats for each letter.
    """
    children: list[dict[int, int]] = [{}, {}]
    path: list[Tokens] = [(), (-1,)]
    is_end = [False, False]
    for spelling in spellings:
        state = 0
        for token in spelling:
            if token not in children[state]:
                children[state][token] = len(children)
                children.append({})
                path.append((*path[state], token))
                is_end.append(False)
            state = children[state][token]
        is_end[state] = True
    states = {tokens: state for state, tokens in enumerate(path)}

    def fall_back(tokens: Tokens) -> int:
        """The state of the longest end of these tokens that begins at a word and is the beginning of a hotword."""
        while tokens:
            if tokens in states:
                return states[tokens]
            if delimiter not in tokens:
                return OUTSIDE
            tokens = tokens[tokens.index(delimiter) + 1 :]
        return 0

    # What of the added score is not sure yet: the letters since the last hotword that is complete.
    pending = np.zeros(len(path))
    for state in range(2, len(path)):
        before = states[path[state][:-1]]
        is_sure = path[state][-1] == delimiter and is_end[before]
        pending[state] = 0.0 if is_sure else pending[before] + weight * (path[state][-1] != delimiter)
    following = np.full((len(path), vocabulary), OUTSIDE, np.int64)
    for state, tokens in enumerate(path):
        for token in {delimiter, *children[0], *children[state]}:
            if state != OUTSIDE:
                following[state, token] = fall_back((*tokens, token))
    following[OUTSIDE] = OUTSIDE
    following[OUTSIDE, delimiter] = 0
    gain = pending[following] - pending[:, None]
    # At the end of a word a complete hotword has its score for good.
    complete = np.array(is_end)
    gain[complete, delimiter] = pending[following[complete, delimiter]]
    return Hotwords(following, gain, np.where(complete, 0.0, -pending))
