"""Whose turn it is: those who share a model get equal seconds of audio, and a long queue delays only its own."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator

MOST_FORGIVEN = 256
"""Ends that are kept of those who do not wait, before what has no effect any more is thrown away."""


class Turns:
    """Who waits, in the order of their turns.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996), with what was computed charged when it is computed: the turn
    of one who begins to wait is where its last one ended on a common scale of served seconds, or the present point of
    that scale if it has been idle. What is given up before is never charged.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._ends: dict[Hashable, float] = {}
        self._waiting: list[tuple[float, int, Hashable]] = []
        self._places: dict[Hashable, tuple[float, int]] = {}
        # Equal turns are taken in the order in which they were given.
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[Hashable]:
        return (who for _, _, who in self._waiting)

    @property
    def first(self) -> Hashable:
        """Whose turn it is; somebody waits."""
        return self._waiting[0][2]

    def join(self, who: Hashable) -> None:
        """Something of `who` waits; does nothing if it did before."""
        if who not in self._places:
            self._ends[who] = max(self._now, self._ends.get(who, 0.0))
            self._place(who)

    def leave(self, who: Hashable) -> None:
        """Nothing of `who` waits any more."""
        if place := self._places.pop(who, None):
            # Numbers differ, so `who` itself is never compared.
            del self._waiting[bisect_left(self._waiting, place)]
            if len(self._ends) > MOST_FORGIVEN + 2 * len(self._places):
                self._ends = {each: end for each, end in self._ends.items() if end > self._now or each in self._places}

    def begin(self, who: Hashable) -> None:
        """It is the turn of `who`, and it is taken."""
        self._now = max(self._now, self._ends[who])

    def charge(self, who: Hashable, seconds: float) -> None:
        """So much of `who`, that waits, is being computed."""
        self.leave(who)
        self._ends[who] = self._ends.get(who, self._now) + seconds
        self._place(who)

    def advance(self, seconds: float) -> None:
        """So much was computed of all who wait.

        Where ever new ones come, who each would be served at once, they begin behind those who wait for long.
        """
        self._now += seconds / max(1, len(self._places))

    def forget(self, who: Hashable) -> None:
        """It does not come back."""
        self.leave(who)
        self._ends.pop(who, None)

    def _place(self, who: Hashable) -> None:
        place = (self._ends[who], next(self._numbers))
        self._places[who] = place
        insort(self._waiting, (*place, who))
