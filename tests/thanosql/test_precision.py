"""A precision is as good as fp32 where its transcripts of the same clips are."""

from __future__ import annotations

import pytest

from thanosql.precision import LIMIT, judge

THOUSAND = [f"{'word ' * 999}word"]


def make_mistakes(number: int) -> list[str]:
    return [" ".join(["word"] * (1_000 - number) + ["wrong"] * number)]


def test_a_word_error_rate_within_the_limit_passes() -> None:
    assert LIMIT == 0.003
    assert judge(THOUSAND, make_mistakes(10), make_mistakes(13)).passes
    assert not judge(THOUSAND, make_mistakes(10), make_mistakes(14)).passes


def test_a_lower_word_error_rate_passes_whatever_else_is_heard() -> None:
    assert judge(["one two three"], ["one too three"], ["one two three"]).passes


def test_where_it_is_not_known_what_a_clip_says_the_texts_must_be_the_same() -> None:
    assert judge([None, None], ["a", "b"], ["a", "b"]).passes
    assert not judge([None, None], ["a", "b"], ["a", "c"]).passes
    assert not judge(["a", None], ["a", "b"], ["a", "c"]).passes


def test_a_judgement_says_what_was_counted() -> None:
    assert judge(["one two", None], ["one two", "a"], ["one too", "a"]).reason == (
        "word error rate 50.00% against 0.00% over 2 words, beyond the limit of 0.3 points, "
        "0 of 1 texts without a reference differ"
    )


@pytest.mark.parametrize("heard", ["", "word " * 5_000])
def test_a_precision_that_hears_nothing_or_too_much_does_not_pass(heard: str) -> None:
    assert not judge(THOUSAND, THOUSAND, [heard]).passes
