"""The automaton of hotwords: what it adds for letters that go on with one, and takes back where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thanosql.errors import InvalidOption
from thanosql.hotwords import MOST_HOTWORDS, Hotwords, compile_hotwords, find_hotwords
from thanosql.modelstore import ModelDescription

LETTERS = "|ABENRWY'"
MODEL = ModelDescription("m", 1, "Test", "test", ("<pad>", *LETTERS), blank=0, word_delimiter=1)


def spell(text: str) -> tuple[int, ...]:
    return tuple(MODEL.vocabulary.index("|" if letter == " " else letter) for letter in text)


def automaton(*words: str, weight: float = 1.0) -> Hotwords:
    return compile_hotwords([spell(word) for word in words], len(MODEL.vocabulary), 1, weight)


def added(hotwords: Hotwords, text: str) -> float:
    """What a whole recording with this text gets."""
    state, total = 0, 0.0
    for token in spell(text):
        total += float(hotwords.gain[state, token])
        state = int(hotwords.following[state, token])
    return total + float(hotwords.at_end[state])


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("ANNA", 4),
        ("ANNA ANNA", 8),
        ("WE ANNA WE", 4),
        ("ANN", 0),
        ("ANNAB", 0),
        ("WANNA", 0),
        ("ANNA'", 0),
        ("ANN ANNA", 4),
        ("", 0),
    ],
)
def test_a_hotword_counts_where_it_is_a_whole_word(text: str, score: float) -> None:
    assert added(automaton("ANNA"), text) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("ANNA BERN", 8),
        ("ANNA", 0),
        ("ANNA BERNA", 0),
        ("ANNA ANNA BERN", 8),
        ("ANNA BE", 0),
        ("BERN", 0),
    ],
)
def test_a_phrase_counts_where_all_its_words_follow_each_other(text: str, score: float) -> None:
    assert added(automaton("ANNA BERN"), text) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("NEW YEAR", 7),  # the phrase fails at its second word, which begins another
        ("NEW YEARB", 3),
        ("NEW BERRY", 10 - 2),
        ("NEW", 3),
        ("NEW YEA", 3),
        ("YEAR", 4),
    ],
)
def test_what_is_complete_stays_where_a_longer_hotword_fails(text: str, score: float) -> None:
    assert added(automaton("NEW", "NEW BERRY", "YEAR"), text) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("NEW YEAR", 4),  # fails in the middle of the second word, where another hotword goes on
        ("NEW YEN", 6),
        ("YEAR", 4),
        ("NEW YEA", 0),
        ("NEW YEARN", 0),
    ],
)
def test_a_phrase_falls_back_on_the_hotword_that_goes_on(text: str, score: float) -> None:
    assert added(automaton("NEW YEN", "YEAR"), text) == score


@pytest.mark.parametrize(("text", "score"), [("NEW YEAR", 4), ("NEW YEAR BERN", 11 + 4), ("NEW YEAR ANN", 4)])
def test_a_hotword_inside_a_phrase_counts_whatever_becomes_of_the_phrase(text: str, score: float) -> None:
    assert added(automaton("NEW YEAR BERN", "YEAR"), text) == score


def said(words: list[list[str]], text: list[str]) -> int:
    """Letters of all phrases of these words that stand in the text."""
    places = ((words_of, start) for words_of in words for start in range(len(text)))
    return sum(len("".join(each)) for each, start in places if text[start : start + len(each)] == each)


@given(
    st.lists(st.lists(st.sampled_from(["A", "AB", "B", "BA"]), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.sampled_from(["A", "AB", "B", "BA", "E"]), max_size=12),
)
def test_what_is_added_is_never_more_than_is_said_and_nothing_where_nothing_is_said(
    words: list[list[str]], text: list[str]
) -> None:
    score = added(automaton(*(" ".join(each) for each in words)), " ".join(text))
    assert 0 <= score <= said([list(each) for each in {tuple(each) for each in words}], text)


@given(st.lists(st.text("ABEN", min_size=1, max_size=4), min_size=1, max_size=5), st.text("ABEN ", max_size=20))
def test_single_words_get_their_letters_each_time_they_are_said(words: list[str], text: str) -> None:
    said = " ".join(text.split())
    expected = sum(len(word) for word in said.split() if word in words)
    assert added(automaton(*words, weight=0.5), said) == pytest.approx(0.5 * expected)


def test_hotwords_are_spelled_as_transcripts_are() -> None:
    found = find_hotwords(["new-year", "Béa"], 2.0, MODEL)
    assert found is not None
    assert added(found, "NEW YEAR") == 14
    assert added(found, "BEA") == 6


def test_no_hotwords_are_no_automaton() -> None:
    assert find_hotwords([], 1.0, MODEL) is None


@pytest.mark.parametrize(
    ("texts", "weight", "message"),
    [
        (["ANNA", "Kьew", "42"], 1.0, "cannot spell the hotwords 'Kьew', '42'"),
        (["!!!"], 1.0, "cannot spell the hotword '!!!'"),
        (["ANNA"], 0.0, "hotword_weight=0"),
        (["ANNA"], 21.0, "hotword_weight=21"),
        (["ANNA"], float("nan"), "hotword_weight=nan"),
        (["A" * 101], 1.0, "too long"),
        (["ANNA"] * (MOST_HOTWORDS + 1), 1.0, "too many"),
    ],
)
def test_hotwords_that_make_no_sense_are_refused(texts: list[str], weight: float, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        find_hotwords(texts, weight, MODEL)


def test_hotwords_whose_table_would_be_too_large_are_refused() -> None:
    vocabulary = ("<pad>", *LETTERS, *(f"<{number}>" for number in range(5_000)))
    model = ModelDescription("m", 1, "Test", "test", vocabulary, blank=0, word_delimiter=1)
    with pytest.raises(InvalidOption, match="more letters than 798"):
        find_hotwords(["ANNA BERRY"] * 80, 1.0, model)
