"""A histogram counts every value once, survives JSON, and reads well in a line."""

from __future__ import annotations

import doctest
import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as some

import thanosql.histogram
from thanosql.histogram import Histogram, make_histogram

EDGES = (0, 1, 2, 5, 10)


@given(some.lists(some.floats(0, 1e6)))
def test_every_value_is_counted_once_in_the_bin_that_holds_it(values: list[float]) -> None:
    histogram = make_histogram(values, EDGES)
    ends = (*EDGES[1:], float("inf"))
    assert histogram.counts == tuple(sum(a <= value < b for value in values) for a, b in zip(EDGES, ends, strict=True))


def test_it_comes_back_from_json_as_it_was() -> None:
    histogram = make_histogram([0.5, 3, 3, 40], EDGES)
    assert Histogram.from_json(json.loads(json.dumps(asdict(histogram)))) == histogram


@pytest.mark.parametrize("values", [{}, {"edges": [0], "counts": [1]}, {"silent": 3}])
def test_other_values_of_a_report_are_not_taken_for_one(values: dict[str, object]) -> None:
    assert Histogram.from_json(values) is None


def test_its_bins_are_told_by_their_bounds() -> None:
    assert make_histogram([0.5, 3, 3, 40], EDGES).bins() == (("0 to 1", 1), ("2 to 5", 2), ("from 10", 1))


def test_no_values_make_no_bars() -> None:
    assert make_histogram([], EDGES).line() == "none"


def test_its_line_is_that_of_the_docstring() -> None:
    assert doctest.testmod(thanosql.histogram).failed == 0
