"""The intervals hold the true rate as often as they say, over rows and over few or many speakers."""

from __future__ import annotations

import doctest
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import thanosql.bootstrap
from thanosql.bootstrap import (
    FEWEST_RESAMPLES,
    FEWEST_UNITS,
    MOST_RESAMPLES,
    Interval,
    Numbers,
    divide,
    find_interval,
    resample_sums,
    sum_by_speaker,
)

TRIALS = 1000
"""Test sets drawn: the share of intervals that hold the true rate is known to some 1.4 points (two standard errors)."""


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(thanosql.bootstrap).failed == 0


def draw_test_set(draw: np.random.Generator, speakers: int, rows: int, spread: float) -> Numbers:
    """Errors and words of rows, `[speakers, rows, 2]`; speakers' rates vary about 0.1 by so much of it, rows' too."""
    rates = 0.1 * draw.gamma(1 / spread**2, spread**2, size=(speakers, 1)) if spread else np.full((speakers, 1), 0.1)
    words = draw.integers(3, 35, size=(speakers, rows))
    of_rows = np.minimum(rates * draw.gamma(2, 1 / 2, size=words.shape), 1)
    return np.stack([draw.binomial(words, of_rows), words], axis=-1).astype(float)


def interval_of(units: Numbers, seed: int) -> Interval:
    sums = resample_sums(units, seed)
    return find_interval(units[:, 0].sum() / units[:, 1].sum(), divide(sums[:, 0], sums[:, 1]), len(units))


def holds(interval: Interval, rate: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= rate <= interval.high


@pytest.fixture
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand are enough where a thousand intervals are looked at."""
    monkeypatch.setattr(thanosql.bootstrap, "MOST_RESAMPLES", FEWEST_RESAMPLES)


@pytest.mark.usefixtures("_fewer_resamples")
@pytest.mark.parametrize(("rows", "least"), [(10, 0.88), (30, 0.91), (100, 0.92)])
def test_intervals_over_independent_rows_hold_the_true_rate_as_often_as_they_say(rows: int, least: float) -> None:
    draw = np.random.default_rng(rows)
    held = sum(holds(interval_of(draw_test_set(draw, 1, rows, 0)[0], seed), 0.1) for seed in range(TRIALS))
    assert least <= held / TRIALS <= 0.97


@pytest.mark.usefixtures("_fewer_resamples")
@pytest.mark.parametrize(
    ("speakers", "by_speaker", "by_row"), [(6, (0.85, 0.95), 0.72), (8, (0.87, 0.95), 0.72), (20, (0.9, 0.96), 0.75)]
)
def test_only_intervals_over_speakers_hold_the_rate_of_other_speakers(
    speakers: int, by_speaker: tuple[float, float], by_row: float
) -> None:
    draw = np.random.default_rng(speakers)
    held = np.zeros(2)
    for seed in range(TRIALS):
        rows = draw_test_set(draw, speakers, 10, 0.7)
        held += holds(interval_of(rows.sum(axis=1), seed), 0.1), holds(interval_of(rows.reshape(-1, 2), seed), 0.1)
    assert by_speaker[0] <= held[0] / TRIALS <= by_speaker[1]
    assert held[1] / TRIALS <= by_row


@pytest.mark.usefixtures("_fewer_resamples")
def test_expanded_tails_hold_the_rate_more_often_than_plain_ones_where_speakers_are_few() -> None:
    draw = np.random.default_rng(8)
    expanded = plain = 0
    for seed in range(TRIALS):
        speakers = draw_test_set(draw, 8, 10, 0.7).sum(axis=1)
        expanded += holds(interval_of(speakers, seed), 0.1)
        sums = resample_sums(speakers, seed)
        low, high = np.quantile(divide(sums[:, 0], sums[:, 1]), (0.025, 0.975))
        plain += low <= 0.1 <= high
    assert expanded / TRIALS >= 0.87
    assert plain / TRIALS <= 0.86


@pytest.mark.parametrize("units", [100, 10_000])
def test_the_interval_is_as_wide_as_theory_has_it_where_rows_are_alike(units: int) -> None:
    errors = np.random.default_rng(0).binomial(20, 0.1, size=units)
    interval = interval_of(np.stack([errors, np.full(units, 20)], axis=1).astype(float), 0)
    assert interval.low is not None
    assert interval.high is not None
    expected = 2 * 1.96 * np.std(errors / 20, ddof=1) / np.sqrt(units)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_there_is_no_interval_of_fewer_units_than_chance_could_be_excluded_with() -> None:
    few, enough = np.ones((FEWEST_UNITS - 1, 2)), np.ones((FEWEST_UNITS, 2))
    assert interval_of(few, 0) == Interval(1.0)
    assert interval_of(enough, 0) == Interval(1.0, 1.0, 1.0)
    assert 2 * 0.5 ** (FEWEST_UNITS - 1) > 0.05 > 2 * 0.5**FEWEST_UNITS


@pytest.mark.parametrize(
    ("interval", "excludes"),
    [
        (Interval(0.1, 0.05, 0.2), True),
        (Interval(-0.1, -0.2, -0.05), True),
        (Interval(0.1, -0.05, 0.2), False),
        (Interval(0.1, 0.0, 0.2), False),
        (Interval(0.1), False),
    ],
)
def test_an_interval_excludes_zero_where_it_lies_on_one_side_of_it(interval: Interval, excludes: bool) -> None:
    assert interval.excludes_zero is excludes


def test_equal_seeds_give_equal_resamples_and_others_do_not() -> None:
    counts = np.arange(20.0).reshape(10, 2)
    assert np.array_equal(resample_sums(counts, 3), resample_sums(counts, 3))
    assert not np.array_equal(resample_sums(counts, 3), resample_sums(counts, 4))


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(1)), elements=st.integers(0, 50)))
def test_the_columns_of_a_resample_are_of_the_same_rows(column: Numbers) -> None:
    sums = resample_sums(np.hstack([column, 3 * column, np.ones_like(column)]), 0)
    assert np.array_equal(sums[:, 1], 3 * sums[:, 0])
    assert np.all(sums[:, 2] == len(column))


def test_every_row_is_drawn_as_often_as_every_other() -> None:
    sums = resample_sums(np.eye(7), 0)
    assert sums.mean(axis=0) == pytest.approx(np.ones(7), abs=0.05)
    # Of the multinomial distribution: n · 1/n · (1 − 1/n).
    assert sums.var(axis=0) == pytest.approx(np.full(7, 6 / 7), rel=0.1)


@pytest.mark.parametrize(("units", "resamples"), [(1, MOST_RESAMPLES), (10_000, 2_000), (30_000, FEWEST_RESAMPLES)])
def test_fewer_resamples_are_taken_of_many_rows(units: int, resamples: int) -> None:
    assert resample_sums(np.ones((units, 1)), 0).shape == (resamples, 1)


def test_ten_thousand_rows_take_little_time_and_memory() -> None:
    counts = np.ones((10_000, 4))
    began = time.process_time()
    resample_sums(counts, 0)
    assert time.process_time() - began < 3, "measured: 0.35 s on a busy core"
    tracemalloc.start()
    resample_sums(counts, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6, "2,000 resamples of 10,000 weights would be 160 MB"


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 9)), min_size=1))
def test_counts_add_up_by_speaker(rows: list[tuple[str, int]]) -> None:
    speakers, counts = zip(*rows, strict=True)
    sums = sum_by_speaker(np.array(counts, dtype=float)[:, None], speakers)
    expected = [sum(count for name, count in rows if name == speaker) for speaker in sorted(set(speakers))]
    assert sums[:, 0].tolist() == expected
