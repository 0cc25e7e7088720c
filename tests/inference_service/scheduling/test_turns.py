"""The turns of those who share a model."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from inference_service.scheduling.turns import MOST_FORGIVEN, Turns


def serve(turns: Turns, lengths: dict[str, list[float]]) -> tuple[str, float]:
    """Serves the next request of whoever's turn it is."""
    who = str(turns.first)
    seconds = lengths[who].pop(0)
    turns.begin(who)
    turns.charge(who, seconds)
    if not lengths[who]:
        turns.leave(who)
    return who, seconds


def test_a_late_and_short_queue_does_not_wait_for_a_long_one() -> None:
    turns, lengths = Turns(), {"bulk": [10.0] * 100, "late": [10.0] * 3}
    turns.join("bulk")
    served = [serve(turns, lengths)[0] for _ in range(10)]
    turns.join("late")
    served += [serve(turns, lengths)[0] for _ in range(10)]
    assert served[10:].count("late") == 3
    assert "late" in served[10:12]


@given(st.lists(st.floats(0.5, 30), min_size=50, max_size=50), st.lists(st.floats(0.5, 30), min_size=50, max_size=50))
def test_equal_seconds_and_not_equal_numbers(a: list[float], b: list[float]) -> None:
    turns, lengths = Turns(), {"a": list(a), "b": list(b)}
    served: dict[str, float] = defaultdict(float)
    turns.join("a")
    turns.join("b")
    while lengths["a"] and lengths["b"]:
        who, seconds = serve(turns, lengths)
        served[who] += seconds
        assert abs(served["a"] - served["b"]) <= 60


def test_what_was_idle_saves_nothing_up() -> None:
    turns, lengths = Turns(), {"busy": [10.0] * 100, "idle": [10.0] * 100}
    turns.join("busy")
    for _ in range(50):
        serve(turns, lengths)
    turns.join("idle")
    assert {serve(turns, lengths)[0] for _ in range(3)} == {"busy", "idle"}


def test_what_is_given_up_is_not_charged() -> None:
    turns = Turns()
    turns.join("gives up")
    turns.leave("gives up")
    turns.join("other")
    turns.join("gives up")
    assert list(turns) == ["other", "gives up"]


def test_ever_new_ones_do_not_starve_one_who_waits() -> None:
    turns = Turns()
    turns.join("patient")
    turns.charge("patient", 30.0)
    for number in range(100):
        turns.join(number)
        if turns.first == "patient":
            break
        turns.begin(number)
        turns.charge(number, 1.0)
        turns.advance(1.0)
        turns.leave(number)
    # Two wait at a time, so it is owed half of what is computed.
    assert 50 <= number <= 70


def test_those_who_left_long_ago_are_not_remembered() -> None:
    turns = Turns()
    for number in range(10 * MOST_FORGIVEN):
        turns.join(number)
        turns.begin(number)
        turns.charge(number, 1.0)
        turns.advance(1.0)
        turns.leave(number)
    assert len(turns._ends) <= MOST_FORGIVEN + 1
