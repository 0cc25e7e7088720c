"""Words are paired with what was heard in their place, and the frequent pairs come first."""

from __future__ import annotations

import doctest
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import thanosql.confusions
from thanosql.confusions import SHOWN_CONFUSIONS, WORD_LENGTH, Confusion, cut, find_word_edits, rank_confusions
from thanosql.scoring import count_errors

WORDS = st.lists(st.sampled_from(["a", "b", "an", "ban", "band", "hand"]), max_size=12)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(thanosql.confusions).failed == 0


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [
        ("one two three", "one two three", []),
        ("one two three", "one too three", [("two", "too")]),
        ("one two three", "one three", [("two", "")]),
        ("one three", "one two three", [("", "two")]),
        ("", "two words", [("", "two"), ("", "words")]),
        ("two words", "", [("two", ""), ("words", "")]),
        ("we like ice cream", "we like cream's", [("ice", ""), ("cream", "cream's")]),
        ("we like ice cream", "we like icy", [("ice", "icy"), ("cream", "")]),
        ("they recognised it", "they wreck a nice it", [("", "wreck"), ("", "a"), ("recognised", "nice")]),
        ("old macdonald had", "mac donalds had", [("old", "mac"), ("macdonald", "donalds")]),
        ("a b one c two d", "a b won c to d", [("one", "won"), ("two", "to")]),
    ],
)
def test_words_are_paired_with_what_looks_most_like_them(
    reference: str, hypothesis: str, edits: list[tuple[str, str]]
) -> None:
    assert list(find_word_edits(reference.split(), hypothesis.split())) == edits


@given(WORDS, WORDS)
def test_the_edits_are_the_fewest_and_of_the_kinds_that_are_counted(
    reference: list[str], hypothesis: list[str]
) -> None:
    edits = list(find_word_edits(reference, hypothesis))
    counts = count_errors(reference, hypothesis)
    assert sum(bool(left and right) for left, right in edits) == counts.substitutions
    assert sum(not left for left, _ in edits) == counts.insertions
    assert sum(not right for _, right in edits) == counts.deletions


@given(WORDS, WORDS)
def test_what_no_edit_touches_is_the_same_on_both_sides(reference: list[str], hypothesis: list[str]) -> None:
    edits = list(find_word_edits(reference, hypothesis))
    said, heard = Counter(reference), Counter(hypothesis)
    said.subtract(left for left, _ in edits if left)
    heard.subtract(right for _, right in edits if right)
    assert said == heard
    assert min(said.values(), default=0) >= 0


@given(WORDS, WORDS)
def test_the_edits_come_in_the_order_of_the_words(reference: list[str], hypothesis: list[str]) -> None:
    edits = list(find_word_edits(reference, hypothesis))
    for side, words in enumerate((reference, hypothesis)):
        rest = iter(words)
        assert all(word in rest for word in (edit[side] for edit in edits) if word)


def test_the_most_frequent_come_first_each_kind_for_itself() -> None:
    edits = [("to", "two"), ("the", ""), ("to", "two"), ("", "uh"), ("a", "the"), ("the", ""), ("the", "")]
    assert rank_confusions(edits) == {
        "substitution": (Confusion("substitution", "to", "two", 2), Confusion("substitution", "a", "the", 1)),
        "deletion": (Confusion("deletion", "the", "", 3),),
        "insertion": (Confusion("insertion", "", "uh", 1),),
    }


def test_no_more_than_ten_of_a_kind_are_shown_equal_ones_by_the_alphabet() -> None:
    edits = [(chr(ord("z") - place), "x") for place in range(20)]
    shown = rank_confusions(edits)["substitution"]
    assert [each.reference for each in shown] == list("ghijklmnop")
    assert len(shown) == SHOWN_CONFUSIONS


def test_long_words_are_cut_where_they_are_shown_and_told_apart_before() -> None:
    one, other = "저" * 100 + "는", "저" * 100 + "가"
    shown = rank_confusions([(one, "a"), (other, "a")])["substitution"]
    assert [each.count for each in shown] == [1, 1]
    assert shown[0].reference == "저" * (WORD_LENGTH - 1) + "…"


@given(st.text("ab 저", max_size=20), st.integers(1, 20))
def test_a_text_is_cut_to_the_length_and_no_text_that_fits(text: str, length: int) -> None:
    assert len(cut(text, length)) <= length
    assert len(text) > length or cut(text, length) == text
