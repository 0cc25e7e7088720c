"""Words and phrases that a decoder is to favour, as an automaton over a model's tokens.

Each letter that goes on with a hotword adds the weight to the score at once, so that the word is not given up before it
is complete; what was added is taken back where another letter follows, or the word goes on past the hotword's end. A
hotword begins and ends where a word does: "art" says nothing of "party". Failing in the middle of a phrase falls back
on the longest end of it that another hotword begins with (Aho & Corasick 1975).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
MOST_CELLS = 4_000_000
"""Letters of all hotwords × vocabulary: 64 MB. An alphabet of 32 has room for all that the other bounds allow."""

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
    if sum(map(len, spellings)) * len(model.vocabulary) > MOST_CELLS:
        most = MOST_CELLS // len(model.vocabulary)
        raise InvalidOption(
            f"the hotwords have more letters than {most:,}",
            hint=f"That is what a model of {len(model.vocabulary):,} "
            "tokens takes. Give fewer, or those alone that it gets wrong.",
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
    # What of the added score is not sure yet: the letters since the last hotword that is complete. And what of it the
    # end of a word makes sure.
    pending, sure = np.zeros(len(path)), np.zeros(len(path))
    following = np.full((len(path), vocabulary), OUTSIDE, np.int64)
    following[:2, delimiter] = 0
    # A state falls back on a shorter one, which is complete by then; the state before a word comes first.
    for state in sorted({*range(len(path))} - {OUTSIDE}, key=lambda each: len(path[each])):
        tokens = path[state]
        shorter = _fall_back(tokens, states, delimiter)
        if state:
            before = states[tokens[:-1]]
            is_word_end = tokens[-1] == delimiter
            pending[state] = 0.0 if is_word_end and is_end[before] else pending[before] + weight * (not is_word_end)
            following[state] = following[shorter]
        sure[state] = pending[state] if is_end[state] else sure[shorter]
        for token, child in children[state].items():
            following[state, token] = child
    gain = pending[following] - pending[:, None]
    gain[:, delimiter] += sure
    return Hotwords(following, gain, sure - pending)


def _fall_back(tokens: Tokens, states: Mapping[Tokens, int], delimiter: int) -> int:
    """The state of the longest end of these tokens, not all of them, that begins at a word and begins a hotword."""
    while delimiter in tokens:
        tokens = tokens[tokens.index(delimiter) + 1 :]
        if tokens in states:
            return states[tokens]
    return OUTSIDE
