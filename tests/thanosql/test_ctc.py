"""Collapsing frames: double letters, blanks, special tokens, words with times and confidences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thanosql.ctc import decode, decode_text
from thanosql.modelstore import ModelDescription

LETTERS = "ABDEHKLOR"
MODEL = ModelDescription(
    name="m",
    version=1,
    class_name="Test",
    base="test",
    vocabulary=("<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS),
    blank=0,
    word_delimiter=4,
    special=(1, 2, 3),
)
SIZE = len(MODEL.vocabulary)


def spell(frames: str) -> np.ndarray:
    """`-` is the blank, `<` the token `<s>`."""
    others = {"-": 0, "<": 1, "|": 4}
    return np.array([others[c] if c in others else MODEL.vocabulary.index(c) for c in frames], np.int64)


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("HH-EE-L-LL-O", "HELLO"),
        ("HEL-LO|BO-OK", "HELLO BOOK"),
        ("HELLO", "HELO"),
        ("L<L", "LL"),
        ("<<HE<", "HE"),
        ("||-HE||-|BO|-", "HE BO"),
        ("H-|-E", "H E"),
        ("----", ""),
        ("|", ""),
        ("", ""),
    ],
)
def test_runs_become_one_and_blanks_go(frames: str, text: str) -> None:
    assert decode_text(spell(frames), MODEL) == text
    assert decode(spell(frames), np.zeros(len(frames)), MODEL).text == text


def test_a_word_lasts_from_its_first_letter_to_its_last() -> None:
    decoding = decode(spell("---HH-E-|-BB--"), np.zeros(14), MODEL)
    assert [(w.word, w.start, w.end) for w in decoding.words] == [("HE", 0.06, 0.14), ("B", 0.2, 0.24)]


def test_confidence_is_the_least_of_a_word_and_the_mean_of_the_words() -> None:
    probabilities = [0.99, 1.0, 0.5, 0.2, 0.8, 0.01, 0.9]
    decoding = decode(spell("-HE--|B"), np.log(probabilities), MODEL)

    def certainty(probability: float) -> float:
        return (SIZE * probability - 1) / (SIZE - 1)

    assert [w.confidence for w in decoding.words] == pytest.approx([certainty(0.5), certainty(0.9)])
    assert decoding.confidence == pytest.approx((certainty(0.5) + certainty(0.9)) / 2)


def test_a_guess_has_no_confidence_and_certainty_has_all() -> None:
    assert decode(spell("H"), np.log([1 / SIZE]), MODEL).confidence == pytest.approx(0)
    assert decode(spell("H"), np.array([1e-7]), MODEL).confidence == 1


def test_where_nothing_is_said_there_is_no_confidence() -> None:
    decoding = decode(spell("---"), np.zeros(3), MODEL)
    assert (decoding.confidence, decoding.words) == (0, ())


@given(st.lists(st.sampled_from("-|<" + LETTERS), max_size=60))
def test_collapsing_is_what_its_definition_says(frames: list[str]) -> None:
    kept = [frame for i, frame in enumerate(frames) if i == 0 or frame != frames[i - 1]]
    expected = "".join(" " if frame == "|" else frame for frame in kept if frame not in "-<")
    assert decode_text(spell("".join(frames)), MODEL) == " ".join(expected.split())


@given(st.lists(st.sampled_from("-|" + LETTERS), max_size=60))
def test_words_are_the_text_and_follow_each_other(frames: list[str]) -> None:
    decoding = decode(spell("".join(frames)), np.full(len(frames), -0.1), MODEL)
    assert " ".join(w.word for w in decoding.words) == decoding.text
    moments = [moment for w in decoding.words for moment in (w.start, w.end)]
    assert moments == sorted(moments)
    assert all(0 <= w.confidence <= 1 for w in decoding.words)
