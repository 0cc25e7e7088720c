"""Rates, time left, and how often progress is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_service.running.progress import Pacer, RateEstimator
from thanosql.types import Progress


def test_a_steady_pace_is_found_at_once():
    rate = RateEstimator()
    for second in range(5):
        rate.add(float(second), 3.0 * second)
    assert rate.rate == pytest.approx(3.0)
    assert rate.seconds_left(30.0) == pytest.approx(6.0)


def test_only_the_recent_past_counts():
    rate = RateEstimator(window=10.0)
    for second in range(100):
        rate.add(float(second), second * 1.0)
    for second in range(100, 120):
        rate.add(float(second), 100 + (second - 100) * 5.0)
    assert rate.rate == pytest.approx(5.0)


def test_nothing_is_known_before_the_second_point():
    rate = RateEstimator()
    assert (rate.rate, rate.seconds_left(10.0)) == (0.0, None)
    rate.add(0.0, 4.0)
    assert (rate.rate, rate.seconds_left(10.0)) == (0.0, None)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 100)), max_size=200))
def test_a_rate_is_never_negative_nor_infinite_whatever_the_steps(steps):
    rate, now, done = RateEstimator(), 0.0, 0.0
    for seconds, units in steps:
        now, done = now + seconds, done + units
        rate.add(now, done)
        left = rate.seconds_left(done + 10)
        assert 0 <= rate.rate < float("inf")
        assert left is None or left >= 0


def test_at_most_ten_events_a_second_are_shown_and_always_the_first_and_the_last():
    pacer = Pacer()
    shown = [i for i in range(1_001) if pacer.lets_through(Progress("p", i, 1_000), i / 1_000)]
    assert shown[0] == 0
    assert shown[-1] == 1_000
    assert len(shown) <= 12


def test_a_new_phase_is_shown_at_once():
    pacer = Pacer()
    assert pacer.lets_through(Progress("read"), 0.0)
    assert not pacer.lets_through(Progress("read", 1), 0.01)
    assert pacer.lets_through(Progress("train"), 0.02)
