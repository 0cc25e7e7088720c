"""Which server gets which recordings; no server and no clock is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from query_service.transcribing.clip_shares import FIRST_SECONDS, MOST_DEATHS, ClipShares, Share
from thanosql.types import TranscribeClip

TEN_SECONDS = 320_000
"""Bytes."""


class Dealt:
    """Shares of some recordings of ten seconds each, and a clock to turn."""

    def __init__(self, count: int, *, alone: bool = False) -> None:
        self.now = 0.0
        self.undrawn = count

        def clips() -> Iterator[TranscribeClip]:
            for number in range(count):
                self.undrawn -= 1
                yield TranscribeClip(number, path=f"{number}.wav")

        self.shares = ClipShares(
            clips(), lambda number: TEN_SECONDS, lambda: self.undrawn, lambda: self.now, alone=alone
        )

    def take(self, share: Share, most: int = 10**6) -> list[int]:
        """What a server is given without waiting, in order."""
        taken: list[int] = []
        while len(taken) < most:
            given = len(share.given)
            thread = threading.Thread(
                target=lambda: taken.extend(clip.id for clip in [self.shares.take(share)] if clip)
            )
            thread.start()
            thread.join(0.2)
            if thread.is_alive():  # it waits, and ends with the test
                self.waiting = thread
                return taken
            if len(share.given) == given:
                return taken
        return taken


@pytest.fixture
def dealt() -> Iterator[type[Dealt]]:
    made: list[Dealt] = []

    class Made(Dealt):
        def __init__(self, *arguments: int, **more: bool) -> None:
            super().__init__(*arguments, **more)
            made.append(self)

    yield Made
    for each in made:
        each.shares.stop()


def test_one_server_gets_everything_at_once(dealt):
    deal = dealt(100, alone=True)
    assert deal.take(deal.shares.join()) == list(range(100))


def test_of_several_none_gets_more_than_a_part_of_a_little(dealt):
    deal = dealt(16)
    deal.shares.expect(2)
    first, second = deal.shares.join(), deal.shares.join()
    assert deal.take(first) == [0, 1]
    assert deal.take(second) == [2, 3]


def test_a_server_of_which_nothing_is_known_gets_two_minutes_of_audio(dealt):
    deal = dealt(1000)
    assert len(deal.take(deal.shares.join())) == FIRST_SECONDS / 10


def test_a_fast_server_gets_as_much_as_keeps_it_busy(dealt):
    deal = dealt(1000)
    share = deal.shares.join()
    for number in deal.take(share):
        deal.now += 0.1
        deal.shares.answer(share, number, 10.0)
    deal.take(share)
    assert 900 < share.seconds <= 1_010  # ten seconds at about a hundred a second


def test_the_slower_one_gets_less_of_what_is_left(dealt):
    deal = dealt(30)
    deal.shares.expect(2)
    fast, slow = deal.shares.join(), deal.shares.join()
    (one,) = deal.take(slow, 1)
    for _ in range(6):
        (number,) = deal.take(fast, 1)
        deal.now += 1
        deal.shares.answer(fast, number, 10.0)
    deal.shares.answer(slow, one, 10.0)
    assert len(deal.take(slow)) == 2  # half of a seventh of 23
    assert len(deal.take(fast)) == 10


def test_what_a_server_leaves_goes_to_another_first_and_in_order(dealt):
    deal = dealt(40)
    first, second = deal.shares.join(), deal.shares.join()
    assert deal.take(first, 3) == [0, 1, 2]
    deal.shares.answer(first, 1, 10.0)
    deal.shares.leave(first)
    assert deal.take(second, 4) == [0, 2, 3, 4]
    assert deal.shares.take(first) is None


def test_the_first_answer_counts(dealt):
    deal = dealt(2)
    first, second = deal.shares.join(), deal.shares.join()
    deal.take(first, 1)
    deal.shares.leave(first)
    assert deal.take(second, 1) == [0]
    assert deal.shares.answer(second, 0, 10.0)
    assert not deal.shares.answer(first, 0, 10.0)
    assert not deal.shares.answer(second, 7, 10.0)


def test_an_idle_server_gets_what_is_late_with_another(dealt):
    deal = dealt(2)
    deal.shares.expect(2)
    stuck, idle = deal.shares.join(), deal.shares.join()
    assert (deal.take(stuck, 1), deal.take(idle, 1)) == ([0], [1])
    deal.shares.answer(idle, 1, 10.0)
    assert deal.take(idle) == []
    deal.now = 60.0
    deal.waiting.join(10)
    assert list(idle.given) == [0]
    assert deal.shares.answer(idle, 0, 10.0)
    assert deal.shares.is_over
    assert (stuck.given, stuck.strays) == ({}, 1)


def test_all_are_sent_away_when_everything_is_answered(dealt):
    deal = dealt(1)
    deal.shares.expect(2)
    first, second = deal.shares.join(), deal.shares.join()
    assert deal.take(first, 1) == [0]
    assert deal.take(second) == []
    deal.shares.answer(first, 0, 10.0)
    assert deal.shares.take(first) is None
    deal.waiting.join(10)
    assert not second.given


def test_a_recording_that_every_server_dies_of_is_given_up_and_the_others_are_not(dealt):
    deal = dealt(5, alone=True)
    answered, deaths = [], []

    def serve() -> list[int]:
        share = deal.shares.join()
        while True:
            deal.take(share)
            for number in list(share.given):
                if number == 2:
                    deaths.append(len(share.given))
                    return deal.shares.leave(share, died=True)
                answered.append(number)
                assert deal.shares.answer(share, number, 10.0)
            if deal.shares.is_over:
                return deal.shares.leave(share)

    given_up = [number for _ in range(10) if not deal.shares.is_over for number in serve()]
    assert given_up == [2]
    assert sorted(answered) == [0, 1, 3, 4]
    assert deaths == [3, 3, *[1] * MOST_DEATHS]
