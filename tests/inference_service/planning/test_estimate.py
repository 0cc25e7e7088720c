"""What a number of recordings will take, by the rule of the batches and their cost."""

from __future__ import annotations

import math

import pytest

from inference_service.planning.estimate import (
    BEAM_AUDIO_RATE,
    MOST_PIECES,
    Effort,
    add_beam_search,
    estimate_effort,
)
from inference_service.scheduling.batching import Limits

SINGLE = Limits(seconds=30.0, rows=1)


def in_proportion(rows, seconds):
    """A tenth of a second for each padded second."""
    return rows * seconds / 10


def effort(lengths, recordings=None, *, limits=SINGLE, workers=1, cost=in_proportion, batch_rows=0, waiting=300.0):
    return estimate_effort(
        lengths,
        len(lengths) if recordings is None else recordings,
        cost=cost,
        limits=limits,
        workers=workers,
        waiting_seconds=waiting,
        batch_rows=batch_rows,
    )


def test_nothing_takes_nothing():
    assert effort([]) == Effort(0, 0.0, 0.0)


def test_single_clips_are_a_batch_each_and_workers_share_them():
    one, two = effort([4.0] * 10), effort([4.0] * 10, workers=2)
    assert (one.batches, two.batches) == (10, 10)
    assert one.compute_seconds == two.compute_seconds == pytest.approx(4.0)
    assert one.elapsed_seconds == pytest.approx(4.0)
    assert two.elapsed_seconds == pytest.approx(2.0)


def test_the_last_of_an_odd_number_is_computed_by_one_worker_alone():
    assert effort([10.0] * 3, workers=2).elapsed_seconds == pytest.approx(2.0)


def test_batches_are_filled_to_their_budget():
    assert effort([2.0] * 40, limits=Limits(seconds=16.0, rows=64)).batches == 5


def test_a_batch_has_no_more_rows_than_the_caller_wants():
    assert effort([2.0] * 40, limits=Limits(seconds=16.0, rows=64), batch_rows=2).batches == 20


def test_padding_is_counted_where_lengths_differ_and_no_others_wait():
    # The queue holds two at a time: each pair is a batch, though better company comes later.
    pairs = effort([1.0, 8.0] * 8, limits=Limits(seconds=16.0, rows=2), waiting=9.0)
    sorted_by_length = effort([1.0, 8.0] * 8, limits=Limits(seconds=16.0, rows=2))
    assert pairs.compute_seconds > sorted_by_length.compute_seconds


def test_long_recordings_are_computed_in_pieces_with_context():
    hour = effort([3600.0])
    assert hour.batches > 200
    # Each second of context is computed too.
    assert 360 < hour.compute_seconds < 1.5 * 360


def test_what_may_not_be_computed_at_once_waits():
    held_back = effort([10.0] * 4, limits=Limits(seconds=30.0, rows=1, concurrent_seconds=10.0), workers=2)
    assert held_back.elapsed_seconds == pytest.approx(4.0)


def test_some_recordings_stand_for_all_others():
    sample, all_of_them = effort([2.0, 6.0] * 50, 1000), effort([2.0, 6.0] * 500)
    assert sample.batches == all_of_them.batches == 1000
    assert sample.elapsed_seconds == pytest.approx(all_of_them.elapsed_seconds)


def test_very_many_recordings_are_reckoned_from_some_of_them():
    many = effort([3.0] * (20 * MOST_PIECES))
    assert many.batches == 20 * MOST_PIECES
    assert many.compute_seconds == pytest.approx(0.3 * 20 * MOST_PIECES)


def test_a_beam_search_takes_from_the_cores_of_a_cpu():
    slower = add_beam_search(Effort(8, 10.0, 5.0), 240.0, cores=2, shares_cores=True)
    assert slower.elapsed_seconds == pytest.approx(5.0 + 240.0 / BEAM_AUDIO_RATE / 2)


def test_a_beam_search_beside_a_gpu_matters_only_where_it_is_slower():
    quick, slow = (
        add_beam_search(Effort(8, 10.0, 5.0), seconds, cores=2, shares_cores=False) for seconds in (240.0, 2400.0)
    )
    assert quick.elapsed_seconds == 5.0
    assert slow.elapsed_seconds == pytest.approx(2400.0 / BEAM_AUDIO_RATE)
    assert math.isclose(slow.compute_seconds, 10.0)
