"""The rule that picks batches."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_service.scheduling.batching import (
    Batch,
    Closed,
    Limits,
    Neighbours,
    Request,
    Running,
    Sharing,
    choose_class,
    fill_batch,
)
from thanosql.errors import InvalidOption
from thanosql.types import Priority

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE
SHARING = Sharing(bulk_share=0.2, bulk_cap=0.25)

seconds = st.sampled_from([1.0, 2.0, 5.0, 5.0]) | st.floats(0.1, 30)
limits = st.builds(
    Limits,
    seconds=st.floats(1, 120),
    rows=st.integers(1, 32),
    concurrent_seconds=st.floats(1, 240) | st.just(math.inf),
)


@st.composite
def requests(draw: st.DrawFn, min_size: int = 0) -> list[Request]:
    return [
        Request(
            number,
            draw(seconds),
            draw(st.sampled_from(Priority)),
            deadline=draw(st.sampled_from([math.inf, math.inf, 50.0, 100.0, 150.0])),
            max_rows=draw(st.sampled_from([0, 0, 0, 1, 2, 5])),
        )
        for number in range(draw(st.integers(min_size, 40)))
    ]


def choose(
    anchor: Request,
    waiting: list[Request],
    limits: Limits,
    running_seconds: float = 0.0,
    *,
    interactive_is_about: bool = False,
) -> Batch | None:
    """The batch of `anchor` at 100 s, of all that wait with it, sorted here in the plainest way."""
    own = [each for each in waiting if each.priority is anchor.priority and each is not anchor]
    other = [each for each in waiting if each.priority is not anchor.priority]
    mates = Neighbours(
        shorter=iter(sorted((e for e in own if e.seconds < anchor.seconds), key=lambda e: (-e.seconds, e.number))),
        longer=iter(sorted((e for e in own if e.seconds >= anchor.seconds), key=lambda e: (e.seconds, e.number))),
    )
    return fill_batch(
        anchor,
        mates,
        lambda most: iter(sorted((e for e in other if e.seconds <= most), key=lambda e: (-e.seconds, e.number))),
        limits,
        SHARING,
        now=100.0,
        running_seconds=running_seconds,
        interactive_is_about=interactive_is_about,
    )


def lasting(*lengths: float, priority: Priority = BULK) -> list[Request]:
    return [Request(number, length, priority) for number, length in enumerate(lengths)]


def numbers(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [row.number for row in batch.rows]


@given(requests(min_size=1), limits, st.floats(0, 200), st.booleans())
def test_a_batch_keeps_every_limit_or_is_one_request_alone(
    waiting: list[Request], limits: Limits, running: float, about: bool
) -> None:
    batch = choose(waiting[0], waiting, limits, running, interactive_is_about=about)
    if batch is None or len(batch.rows) == 1:
        return
    assert len(set(numbers(batch))) == len(batch.rows)
    assert batch.padded_seconds <= limits.seconds
    assert batch.padded_seconds + running <= limits.concurrent_seconds + 1e-6
    assert len(batch.rows) <= limits.rows
    assert all(not row.max_rows or len(batch.rows) <= row.max_rows for row in batch.rows)


@given(requests(min_size=1), limits, st.floats(0.1, 300))
def test_what_does_not_fit_beside_the_running_batches_waits(
    waiting: list[Request], limits: Limits, running: float
) -> None:
    fits = running + waiting[0].seconds <= limits.concurrent_seconds
    assert (choose(waiting[0], waiting, limits, running) is not None) == (fits or math.isclose(running, 0))


@given(requests(min_size=1), limits)
def test_the_anchor_is_always_first_and_alone_it_needs_no_limit(waiting: list[Request], limits: Limits) -> None:
    assert numbers(choose(waiting[0], waiting, limits))[0] == 0
    assert numbers(choose(waiting[0], waiting[:1], limits)) == [0]


@given(requests(min_size=1), limits, st.booleans())
def test_what_is_late_is_never_chosen(waiting: list[Request], limits: Limits, about: bool) -> None:
    batch = choose(waiting[0], waiting, limits, interactive_is_about=about)
    assert batch is not None
    assert all(row.deadline > 100.0 for row in batch.rows[1:])


@given(requests(min_size=1), limits, st.booleans())
def test_equally_long_requests_are_taken_in_the_order_of_arrival(
    waiting: list[Request], limits: Limits, about: bool
) -> None:
    plain = [Request(each.number, each.seconds, each.priority) for each in waiting]
    chosen = set(numbers(choose(plain[0], plain, limits, interactive_is_about=about)))
    for each in plain:
        earlier = [e for e in plain[1 : each.number] if (e.seconds, e.priority) == (each.seconds, each.priority)]
        assert each.number not in chosen or all(e.number in chosen for e in earlier)


@given(requests(min_size=1), st.floats(1, 120))
def test_a_larger_budget_never_makes_a_smaller_batch(waiting: list[Request], budget: float) -> None:
    plain = [Request(each.number, each.seconds, BULK) for each in waiting]
    small = choose(plain[0], plain, Limits(budget, rows=64))
    large = choose(plain[0], plain, Limits(budget * 2, rows=64))
    # Not always the same rows and more: a longer one, which is nearer, may take the place of a shorter one.
    assert len(numbers(small)) <= len(numbers(large))


@given(requests(min_size=1), limits)
def test_a_batch_says_why_it_took_in_no_more(waiting: list[Request], limits: Limits) -> None:
    plain = [Request(each.number, each.seconds, BULK) for each in waiting]
    batch = choose(plain[0], plain, limits)
    assert batch is not None
    if batch.closed is Closed.EMPTY:
        assert len(batch.rows) == len(plain)
    elif batch.closed is Closed.ROWS:
        assert len(batch.rows) == limits.rows
    else:
        assert any(each.number not in numbers(batch) for each in plain)


@given(requests(min_size=1), limits)
def test_while_interactive_calls_are_about_a_bulk_batch_is_capped_or_one_request(
    waiting: list[Request], limits: Limits
) -> None:
    anchor = Request(99, 3.0, BULK)
    batch = choose(anchor, [*waiting, anchor], limits, interactive_is_about=True)
    assert batch is not None
    assert len(batch.rows) == 1 or batch.padded_seconds <= limits.seconds * SHARING.bulk_cap


@given(requests(min_size=1), limits)
def test_bulk_in_an_interactive_batch_makes_nothing_longer_and_keeps_to_the_cap(
    waiting: list[Request], limits: Limits
) -> None:
    anchor = Request(99, 3.0, INTERACTIVE)
    batch = choose(anchor, [*waiting, anchor], limits, interactive_is_about=True)
    assert batch is not None
    own = [row for row in batch.rows if row.priority is INTERACTIVE]
    without = choose(anchor, [*(each for each in waiting if each.priority is INTERACTIVE), anchor], limits)
    assert own == list(without.rows)  # type: ignore[union-attr]
    if len(own) < len(batch.rows):
        assert max(row.seconds for row in batch.rows) == max(row.seconds for row in own)
        assert batch.padded_seconds <= limits.seconds * SHARING.bulk_cap


def test_the_nearest_lengths_join() -> None:
    waiting = lasting(5, 1, 5.5, 12, 4.5, 29)
    assert sorted(numbers(choose(waiting[0], waiting, Limits(seconds=17, rows=8)))) == [0, 2, 4]


def test_shorter_requests_still_join_when_the_longer_ones_are_too_long() -> None:
    waiting = lasting(5, 6, 1, 1)
    assert numbers(choose(waiting[0], waiting, Limits(seconds=11, rows=8))) == [0, 2]


def test_a_request_over_the_budget_runs_alone() -> None:
    waiting = lasting(29, 1, 1)
    batch = choose(waiting[0], waiting, Limits(seconds=10, rows=8))
    assert numbers(batch) == [0]
    assert batch is not None
    assert batch.closed is Closed.BUDGET


def test_one_row_is_the_limit_where_batching_buys_nothing() -> None:
    waiting = lasting(3, 3, 3)
    batch = choose(waiting[0], waiting, Limits(seconds=60, rows=1))
    assert batch == Batch((waiting[0],), Closed.ROWS)


def test_bulk_fills_the_slack_of_an_interactive_batch() -> None:
    waiting = [Request(0, 4.0, INTERACTIVE), *(Request(number, 1.0 * number, BULK) for number in range(1, 9))]
    batch = choose(waiting[0], waiting, Limits(seconds=64, rows=8), interactive_is_about=True)
    assert numbers(batch) == [0, 4, 3, 2]


busy = st.builds(lambda bulk, interactive, free: Running(bulk + interactive + free, bulk, interactive),
                 st.integers(0, 8), st.integers(0, 8), st.integers(1, 8))  # fmt: skip


@given(busy, st.floats(0.01, 0.99), st.booleans(), st.permutations(list(Priority)), st.integers(0, 2))
def test_bulk_waits_for_nothing_but_interactive_calls_and_its_share_is_kept(
    running: Running, share: float, about: bool, order: list[Priority], waiting: int
) -> None:
    turns = order[:waiting]
    chosen = choose_class(turns, running, Sharing(bulk_share=share), interactive_is_about=about)
    if chosen is None:
        assert turns in ([], [BULK])
    if turns and chosen is not turns[0]:
        assert turns[0] is BULK
        assert about
        assert running.free == 1
        assert running.bulk >= share * running.workers


@given(busy, st.permutations(list(Priority)), st.integers(1, 2))
def test_an_interactive_call_finds_a_free_worker_where_bulk_has_its_share(
    running: Running, order: list[Priority], waiting: int
) -> None:
    chosen = choose_class(order[:waiting], running, SHARING, interactive_is_about=True)
    if chosen is BULK and running.bulk >= SHARING.bulk_share * running.workers:
        assert running.free > 1 or running.workers == 1


def test_one_worker_is_never_held_back() -> None:
    assert choose_class([BULK], Running(workers=1), SHARING, interactive_is_about=True) is BULK


@pytest.mark.parametrize("share", [-0.1, 0.0, 1.0])
def test_a_share_that_would_starve_a_class_is_refused(share: float) -> None:
    with pytest.raises(InvalidOption, match="bulk_share"):
        Sharing(bulk_share=share)
