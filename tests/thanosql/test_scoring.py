"""Error rates count what differs, and nothing that the normalisation takes away."""

from __future__ import annotations

import doctest
import random

import jiwer
import pytest

import thanosql.scoring
from thanosql.scoring import ErrorCounts, character_errors, normalise, word_errors


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(thanosql.scoring).failed == 0


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("HELLO, world!", "hello world"),
        ("rock\u2019n\u2018roll", "rock'n'roll"),
        ("isn\u00b4t it\u0060s", "isn't it's"),
        ("Straße\tnach  Köln\n", "strasse nach köln"),
        ("\ufb01ve ２", "five 2"),
        ("안녕, 하세요", "안녕 하세요"),
        ("हिन्दी", "हिन्दी"),
        ("state-of-the-art", "state of the art"),
        ("…", ""),
    ],
)
def test_both_sides_are_normalised_alike(text: str, normalised: str) -> None:
    assert normalise(text) == normalised
    assert normalise(normalised) == normalised


def test_words_are_counted_by_kind_of_error() -> None:
    counts = word_errors(["one two three four five"], ["Zero, one TOO three five."])
    assert counts == ErrorCounts(substitutions=1, insertions=1, deletions=1, length=5)
    assert counts.rate == pytest.approx(0.6)


def test_characters_are_counted_with_the_spaces_between_words() -> None:
    assert character_errors(["ab cd"], ["abcd"]) == ErrorCounts(deletions=1, length=5)


def test_rates_are_of_the_corpus_and_not_the_mean_of_its_rows() -> None:
    assert word_errors(["a", "b c d"], ["x", "b c d"]).rate == 0.25


def test_an_empty_reference_costs_its_insertions_only() -> None:
    assert word_errors(["", "one two"], ["uh", "one two"]) == ErrorCounts(insertions=1, length=2)
    assert word_errors([""], [""]).rate == 0
    assert word_errors([], []).rate == 0
    assert word_errors(["..."], ["two words"]).rate == 2


def test_references_and_hypotheses_pair_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        word_errors(["a", "b"], ["a"])


def test_agrees_with_jiwer() -> None:
    words = ["a", "b", "c", "d", "e"]
    draw = random.Random(3)
    pairs = [(draw.choices(words, k=draw.randint(1, 9)), draw.choices(words, k=draw.randint(0, 9))) for _ in range(200)]
    references, hypotheses = [" ".join(r) for r, _ in pairs], [" ".join(h) for _, h in pairs]
    assert word_errors(references, hypotheses).rate == pytest.approx(jiwer.wer(references, hypotheses))
    assert character_errors(references, hypotheses).rate == pytest.approx(jiwer.cer(references, hypotheses))
