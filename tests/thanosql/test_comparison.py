"""Two models are compared row by row, and a difference is claimed only where it has been shown."""

from __future__ import annotations

import doctest
import json
import random
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import thanosql.comparison
from thanosql.bootstrap import Interval
from thanosql.comparison import Comparison, compare
from thanosql.evaluation import evaluate


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(thanosql.comparison).failed == 0


@pytest.mark.parametrize(
    ("before", "after", "difference", "sentence"),
    [
        (0.121, 0.084, Interval(-0.037, -0.050, -0.025), "12.1 → 8.4 (95 %: −5.0 … −2.5)"),
        (0.084, 0.121, Interval(0.037, 0.025, 0.050), "8.4 → 12.1 (95 %: +2.5 … +5.0)"),
        (0.121, 0.120, Interval(-0.001, -0.012, 0.010), "12.1 → 12.0 (95 %: −1.2 … +1.0)"),
        (0.121, 0.121, Interval(0.0, -0.0004, 0.0003), "12.1 → 12.1 (95 %: 0.0 … 0.0)"),
        (0.1, 0.1, Interval(0.0, 0.0, 0.0), "10.0 → 10.0 (95 %: 0.0 … 0.0)"),
        (0.121, 0.120, Interval(-0.001, -0.002, -0.0003), "12.10 → 12.00 (95 %: −0.20 … −0.03)"),
        (0.121, 0.1208, Interval(-0.0002, -0.0004, -0.00002), "12.100 → 12.080 (95 %: −0.040 … −0.002)"),
        (1.5, 1.0, Interval(-0.5, -0.75, -0.25), "150.0 → 100.0 (95 %: −75.0 … −25.0)"),
        (0.121, 0.084, Interval(-0.037), "12.1 → 8.4"),
    ],
)
def test_a_comparison_reads_as_a_sentence(before: float, after: float, difference: Interval, sentence: str) -> None:
    assert Comparison("wer", before, after, difference, 400, "row", 400).sentence == sentence


@pytest.mark.parametrize(
    ("difference", "rows", "warning"),
    [
        (Interval(-0.037, -0.050, -0.025), 400, ""),
        (Interval(0.037, 0.025, 0.050), 400, ""),
        (
            Interval(-0.01, -0.03, 0.01),
            100,
            "No difference has been shown: the interval includes zero, so that 100 rows drawn otherwise may say the "
            "opposite. Hold out more rows: about 820 like these would show a difference of this size.",
        ),
        (
            Interval(-0.0001, -0.03, 0.03),
            100,
            "No difference has been shown: the interval includes zero, so that 100 rows drawn otherwise may say the "
            "opposite. Hold out more rows, or take the two to be alike: a difference as small takes more than 100 "
            "times as many to show.",
        ),
        (
            Interval(-0.4),
            5,
            "No difference has been shown: 5 rows are too few for an interval, it takes 6 or more. Hold out more rows.",
        ),
        (
            Interval(-0.4),
            1,
            "No difference has been shown: 1 row is too few for an interval, it takes 6 or more. Hold out more rows.",
        ),
    ],
)
def test_a_difference_that_was_not_shown_is_warned_of(difference: Interval, rows: int, warning: str) -> None:
    comparison = Comparison("wer", 0.5, 0.5 + difference.score, difference, rows, "row", rows)
    assert comparison.warning == warning
    assert comparison.is_shown is (not warning)


def test_more_speakers_are_asked_for_where_speakers_were_drawn() -> None:
    comparison = Comparison("wer", 0.2, 0.19, Interval(-0.01, -0.03, 0.01), 100, "speaker", 8)
    assert comparison.warning == (
        "No difference has been shown: the interval includes zero, so that 8 speakers drawn otherwise may say the "
        "opposite. Hold out more rows, of more speakers: about 820 like these would show a difference of this size."
    )


def hear(draw: random.Random, said: list[str], wrong: dict[str, float]) -> list[str]:
    """What a model heard that takes a word for another with the probability of its sentence's first word."""
    return [
        " ".join(f"{word}s" if draw.random() < wrong[sentence.split()[0]] else word for word in sentence.split())
        for sentence in said
    ]


SAID = [
    f"{kind} {' '.join(f'word{(place * 7 + n) % 50}' for n in range(12))}"
    for kind in ("easy", "hard")
    for place in range(100)
]


def test_a_better_model_is_shown_to_be_better_though_the_two_intervals_overlap() -> None:
    base = evaluate(SAID, hear(random.Random(0), SAID, {"easy": 0.01, "hard": 0.6}))
    # Every fifth hard sentence loses an error: little against what lies between easy and hard ones.
    mended = [
        sentence.replace("s ", " ", 1) if place >= 100 and place % 5 == 0 else sentence
        for place, sentence in enumerate(hear(random.Random(0), SAID, {"easy": 0.01, "hard": 0.6}))
    ]
    model = evaluate(SAID, mended)
    assert base.wer.low is not None
    assert model.wer.high is not None
    assert base.wer.low < model.wer.high, "the intervals overlap"
    comparison = compare(base, model)
    assert comparison.is_shown
    assert comparison.difference.score < 0
    assert comparison.warning == ""


def test_models_of_one_kind_are_not_shown_to_differ_more_often_than_by_chance() -> None:
    shown = 0
    for trial in range(100):
        draw = random.Random(trial)
        said = SAID[::5]
        left, right = (hear(draw, said, {"easy": 0.1, "hard": 0.3}) for _ in range(2))
        shown += compare(evaluate(said, left), evaluate(said, right)).is_shown
    assert 1 <= shown <= 12, "5 % of 100 are 5"


def test_the_other_way_round_the_difference_has_the_other_sign() -> None:
    base = evaluate(SAID, hear(random.Random(0), SAID, {"easy": 0.1, "hard": 0.3}))
    model = evaluate(SAID, hear(random.Random(1), SAID, {"easy": 0.1, "hard": 0.2}))
    there, back = compare(base, model).difference, compare(model, base).difference
    assert there.low is not None
    assert there.high is not None
    assert (back.score, back.low, back.high) == pytest.approx((-there.score, -there.high, -there.low))


def test_characters_are_compared_where_words_say_little() -> None:
    said = ["나는 학교에 갑니다"] * 10
    base, model = evaluate(said, ["너는 학교에 감니다"] * 10), evaluate(said, ["나는 학교에 감니다"] * 10)
    assert compare(base, model, metric="cer").sentence == "20.0 → 10.0 (95 %: −10.0 … −10.0)"
    assert compare(base, model).sentence == "66.7 → 33.3 (95 %: −33.3 … −33.3)"


def test_the_same_model_twice_shows_no_difference() -> None:
    model = evaluate(SAID, hear(random.Random(0), SAID, {"easy": 0.1, "hard": 0.3}))
    comparison = compare(model, model)
    assert comparison.difference == Interval(0.0, 0.0, 0.0)
    assert not comparison.is_shown


def test_speakers_are_drawn_where_they_are_known() -> None:
    speakers = [f"speaker {place % 8}" for place in range(len(SAID))]
    base, model = (
        evaluate(SAID, hear(random.Random(0), SAID, {"easy": wrong, "hard": wrong}), speakers=speakers)
        for wrong in (0.1, 0.3)
    )
    comparison = compare(base, model)
    assert (comparison.resampled_by, comparison.units, comparison.rows) == ("speaker", 8, 200)
    assert comparison.is_shown


@given(st.lists(st.tuples(*[st.sampled_from(["", "a", "a b", "c"])] * 3), max_size=10))
def test_any_rows_compare_and_the_comparison_goes_into_json(rows: list[tuple[str, str, str]]) -> None:
    said, one, other = ([row[place] for row in rows] for place in range(3))
    comparison = compare(evaluate(said, one), evaluate(said, other))
    assert json.loads(json.dumps(asdict(comparison), allow_nan=False))["difference"] == asdict(comparison.difference)
    assert comparison.sentence
    assert bool(comparison.warning) is not comparison.is_shown


def test_other_rows_are_refused() -> None:
    one = evaluate(["a b", "c"], ["a b", "c"])
    for other in (
        evaluate(["c", "a b"], ["c", "a b"]),
        evaluate(["a b"], ["a b"]),
        evaluate(["a b", "c"], ["a b", "c"], speakers=["x", "y"]),
    ):
        with pytest.raises(ValueError, match="not of the same rows"):
            compare(one, other)
