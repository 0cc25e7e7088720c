"""An evaluation counts every row, says how sure its rates are, and shows what goes wrong most."""

from __future__ import annotations

import doctest
import json
import math
import random
import time
from dataclasses import asdict
from typing import Any

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thanosql.evaluation
from thanosql.bootstrap import FEWEST_UNITS, Interval
from thanosql.confusions import Confusion
from thanosql.evaluation import SHOWN_ROWS, TEXT_LENGTH, WorstRow, evaluate
from thanosql.scoring import ErrorCounts, character_errors, normalise, word_errors

TEXTS = st.lists(st.sampled_from(["one", "two", "too", "Three!", "…", "는"]), max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=12)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(thanosql.evaluation).failed == 0


def speak(draw: random.Random, rows: int, wrong: float, words: int = 10) -> tuple[list[str], list[str]]:
    """Sentences, and what a model heard that takes each word for another with that probability."""
    said = [[f"word{draw.randrange(50)}" for _ in range(words)] for _ in range(rows)]
    heard = [[f"{word}s" if draw.random() < wrong else word for word in sentence] for sentence in said]
    return [" ".join(each) for each in said], [" ".join(each) for each in heard]


@given(ROWS)
def test_the_counts_are_those_of_the_scoring_functions(rows: list[tuple[str, str]]) -> None:
    references, hypotheses = [left for left, _ in rows], [right for _, right in rows]
    evaluation = evaluate(references, hypotheses)
    assert evaluation.words == word_errors(references, hypotheses)
    assert evaluation.characters == character_errors(references, hypotheses)
    assert (evaluation.wer.score, evaluation.cer.score) == (evaluation.words.rate, evaluation.characters.rate)


def test_the_counts_agree_with_jiwer() -> None:
    draw = random.Random(5)
    words = ["a", "b", "c", "d", "ab", "cd"]
    said = [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(300)]
    heard = [" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(300)]
    evaluation = evaluate(said, heard)
    by_word, by_character = jiwer.process_words(said, heard), jiwer.process_characters(said, heard)
    for ours, theirs in ((evaluation.words, by_word), (evaluation.characters, by_character)):
        assert ours.substitutions == theirs.substitutions
        assert ours.insertions == theirs.insertions
        assert ours.deletions == theirs.deletions
    assert evaluation.wer.score == pytest.approx(by_word.wer)
    assert evaluation.cer.score == pytest.approx(by_character.cer)


@given(ROWS, st.booleans())
def test_every_number_is_finite_and_goes_into_json(rows: list[tuple[str, str]], by_speaker: bool) -> None:
    speakers = [str(place % 7) for place in range(len(rows))] if by_speaker else None
    evaluation = evaluate([left for left, _ in rows], [right for _, right in rows], speakers=speakers)
    report = evaluation.to_json()
    assert json.loads(json.dumps(report, allow_nan=False))["wer"] == asdict(evaluation.wer)
    for interval in (evaluation.wer, evaluation.cer):
        assert (interval.low is None) == (interval.high is None) == (len(rows) < FEWEST_UNITS)
        assert interval.low is None or interval.low >= 0
        assert interval.high is None or interval.high >= 0


def test_no_rows_have_no_errors_and_no_interval() -> None:
    evaluation = evaluate([], [])
    assert (evaluation.wer, evaluation.cer, evaluation.rows) == (Interval(0.0), Interval(0.0), 0)
    assert evaluation.worst == evaluation.confusions == evaluation.deletions == evaluation.insertions == ()


def test_one_row_has_rates_and_no_interval() -> None:
    evaluation = evaluate(["one two"], ["one too"], names=["a.wav"])
    assert evaluation.wer == Interval(0.5)
    assert evaluation.worst == (WorstRow(1, "a.wav", "one two", "one too", 1, 0.5),)


def test_a_model_without_errors_is_not_said_to_be_perfect() -> None:
    said, _ = speak(random.Random(0), 20, 0)
    evaluation = evaluate(said, said)
    assert evaluation.wer.low == 0
    assert evaluation.wer.high == pytest.approx(3.7 / 200, rel=0.02)
    assert evaluation.cer.high is not None
    assert evaluation.cer.high < evaluation.wer.high


def test_rows_without_words_and_errors_say_nothing_of_the_rate() -> None:
    assert evaluate([""] * 10, [""] * 10).wer == Interval(0.0, 0.0, pytest.approx(0.975))


def test_the_interval_holds_the_rate_and_is_the_same_for_the_same_seed() -> None:
    said, heard = speak(random.Random(1), 300, 0.1)
    evaluation = evaluate(said, heard, seed=4)
    assert evaluation == evaluate(said, heard, seed=4)
    assert evaluation != evaluate(said, heard, seed=5)
    low, high = evaluation.wer.low, evaluation.wer.high
    assert low is not None
    assert high is not None
    assert low < 0.1 < high
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.1 * 0.9 / 3000), rel=0.2)


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


def test_the_interval_is_wider_by_speaker_where_speakers_differ() -> None:
    draw = random.Random(2)
    said: list[str] = []
    heard: list[str] = []
    speakers: list[str] = []
    for speaker in range(12):
        sentences = speak(draw, 20, 0.02 if speaker % 2 else 0.3)
        said += sentences[0]
        heard += sentences[1]
        speakers += [f"speaker {speaker}"] * 20
    by_row, by_speaker = evaluate(said, heard), evaluate(said, heard, speakers=speakers)
    assert (by_row.resampled_by, by_row.speakers) == ("row", None)
    assert (by_speaker.resampled_by, by_speaker.speakers) == ("speaker", 12)
    assert by_row.wer.score == by_speaker.wer.score
    assert width(by_speaker.wer) > 2 * width(by_row.wer)
    assert width(by_speaker.cer) > 2 * width(by_row.cer)


def test_a_speaker_each_row_is_no_other_thing_than_no_speakers() -> None:
    said, heard = speak(random.Random(3), 50, 0.2)
    names = [f"{place:02}" for place in range(50)]
    assert evaluate(said, heard, speakers=names).wer == evaluate(said, heard).wer


@pytest.mark.parametrize(
    ("speakers", "count", "caveat"),
    [
        (["a"] * 30, 1, "The rows are of one speaker only"),
        (["a", "b", "c"] * 10, 3, "The rows are of 3 speakers only"),
        (["a", "b", "c", "d", "e", None] * 5, None, None),
        (None, None, None),
        (["a", "b", "c", "d", "e", "f"] * 5, 6, None),
    ],
)
def test_rows_of_few_speakers_are_drawn_by_row_and_that_is_said(
    speakers: list[str | None] | None, count: int | None, caveat: str | None
) -> None:
    said, heard = speak(random.Random(4), 30, 0.2)
    evaluation = evaluate(said, heard, speakers=speakers)
    assert evaluation.speakers == count
    assert evaluation.resampled_by == ("speaker" if count and count >= FEWEST_UNITS else "row")
    assert evaluation.caveat.startswith(caveat) if caveat else evaluation.caveat == ""


def test_confused_words_are_counted_over_all_rows_after_normalisation() -> None:
    said = ["Two birds.", "two cats", "the two dogs", "a dog"]
    heard = ["too birds", "TOO cats", "too dogs", "a dog uh"]
    evaluation = evaluate(said, heard)
    assert evaluation.confusions == (Confusion("substitution", "two", "too", 3),)
    assert evaluation.deletions == (Confusion("deletion", "the", "", 1),)
    assert evaluation.insertions == (Confusion("insertion", "", "uh", 1),)
    assert evaluation.words == ErrorCounts(3, 1, 1, 9)


def test_the_worst_rows_come_first_by_errors_then_by_rate_then_in_order() -> None:
    said = ["a b c", "a b", "a b c", "a", "a b c d"]
    heard = ["a b x", "a x", "a x x", "a", "a b c x"]
    assert [row.row for row in evaluate(said, heard).worst] == [3, 2, 1, 5]


def test_ten_rows_are_shown_with_their_texts_cut() -> None:
    said = [f"{'long ' * 1000}{place}" for place in range(30)]
    worst = evaluate(said, [""] * 30, names=["n" * 1000] * 30).worst
    assert len(worst) == SHOWN_ROWS
    assert {len(text) for row in worst for text in (row.name, row.reference)} <= {TEXT_LENGTH, TEXT_LENGTH - 1}
    assert all(row.reference.endswith("…") for row in worst)


def test_the_report_stays_small_whatever_the_number_and_length_of_rows() -> None:
    draw = random.Random(6)
    said = [" ".join("".join(draw.choices("abcdefgh", k=60)) for _ in range(40)) for _ in range(200)]
    heard = [" ".join("".join(draw.choices("abcdefgh", k=60)) for _ in range(40)) for _ in range(200)]
    report = evaluate(said, heard).to_json()
    assert len(json.dumps(report)) < 20_000
    assert "row_counts" not in report


@pytest.mark.parametrize(
    "columns", [{"hypotheses": ["a"]}, {"names": ["a"]}, {"speakers": ["a", "b", "c"]}, {"speakers": []}]
)
def test_columns_of_another_length_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2 references do not go with"):
        evaluate(**{"references": ["a", "b"], "hypotheses": ["a", "b"], **columns})


def test_ten_thousand_rows_take_a_few_seconds() -> None:
    said, heard = speak(random.Random(7), 10_000, 0.15, words=18)
    began = time.process_time()
    assert evaluate(said, heard).rows == 10_000
    assert time.process_time() - began < 6, "measured: 1.1 s on a busy core"


def test_normalised_texts_are_scored_like_the_raw_ones() -> None:
    said, heard = ["Don’t PANIC!", "it's — fine"], ["dont panic", "It’s fine"]
    raw = evaluate(said, heard)
    clean = evaluate([normalise(each) for each in said], [normalise(each) for each in heard])
    assert (raw.words, raw.characters, raw.confusions) == (clean.words, clean.characters, clean.confusions)
