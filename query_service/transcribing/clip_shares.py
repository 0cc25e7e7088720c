"""Which recording goes to which server: each takes what it has room for, and what one leaves goes to the others."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from query_service.running.progress import RateEstimator
from thanosql.types import TranscribeClip

FIRST_SECONDS = 120.0
"""Of audio that a server may have unanswered, until it is known how fast it is."""
WORK_SECONDS = 10.0
"""For which what a server has unanswered may keep it busy: enough to make batches of near lengths from."""
KNOWN_PART, UNKNOWN_PART = 0.5, 0.25
"""Of what a server can be expected to do of all that is left, it has so much at once: more where its speed is known."""
BYTES_PER_SECOND = 32_000.0
"""Of a recording whose like nobody has heard yet: 16 bits at 16 kHz."""
LATE_SECONDS, LATE_TIMES = 5.0, 2.0
"""A recording is late, and given to another server that is idle, when it takes so long, and so many times the usual."""
SUSPECTS = 32
"""Recordings, the oldest first, of which one may be why a server died that had them."""
ALONE_AFTER = 2
"""Deaths after which a suspect is given out alone."""
MOST_DEATHS = 3
"""Of servers that had nothing else, after which a recording is given up."""
LOOK_SECONDS = 0.5
"""Between two looks for what has become late."""


@dataclass(eq=False)
class Share:
    """What one server has been given and has not answered; its fields are its `ClipShares`'s to write."""

    rate: RateEstimator = field(default_factory=RateEstimator)
    """Seconds of audio a second."""
    given: dict[int, tuple[float, float]] = field(default_factory=dict)
    """When each recording was given, and about how many seconds it has; the oldest first."""
    seconds: float = 0.0
    """Of what is given, in all."""
    answered_seconds: float = 0.0
    heard_at: float = 0.0
    """When the last answer came, or else it joined."""
    strays: int = 0
    """Recordings that it may still be busy with though another server has answered them."""
    is_tested: bool = False
    """What it has is a suspect, and nothing else."""
    is_closed: bool = False
    """It is given nothing more."""


class _Then(Enum):
    WAIT = auto()
    DRAW = auto()
    END = auto()


class ClipShares:
    """Deals out recordings to servers, from any thread. The first answer to a recording counts.

    Args:
        clips: The recordings; read by one thread at a time.
        size_of: Bytes of a recording, by its number.
        undrawn: About how many recordings `clips` still has.
        clock: Gives seconds.
        alone: There is one server, which may have everything, and needs no company at the end.
    """

    def __init__(
        self,
        clips: Iterator[TranscribeClip],
        size_of: Callable[[int], int],
        undrawn: Callable[[], int],
        clock: Callable[[], float],
        *,
        alone: bool,
    ) -> None:
        self._clips, self._size_of, self._undrawn, self._clock, self._alone = clips, size_of, undrawn, clock, alone
        self._changed = threading.Condition()
        self._shares: list[Share] = []
        self._expected = 1
        self._out: dict[int, TranscribeClip] = {}
        """Drawn and not answered."""
        self._again: deque[int] = deque()
        """Of them, those that no server has."""
        self._copied: set[int] = set()
        """Late ones that a second server has got."""
        self._deaths: Counter[int] = Counter()
        self._deaths_alone: Counter[int] = Counter()
        self._is_drawing = self._is_drawn = self._is_stopped = False
        self._heard_bytes, self._heard_seconds = BYTES_PER_SECOND, 1.0
        self._usual_wait = 0.0

    @property
    def is_over(self) -> bool:
        """Whether every recording is answered."""
        with self._changed:
            return self._is_drawn and not self._out

    @property
    def left(self) -> int:
        """Recordings without an answer, about."""
        with self._changed:
            return len(self._out) + self._undrawn()

    def expect(self, servers: int) -> None:
        """So many servers are there or about to join: one is not given what is another's."""
        with self._changed:
            self._expected = servers

    def join(self) -> Share:
        """A server wants to be given recordings."""
        share = Share(heard_at=self._clock())
        with self._changed:
            self._shares.append(share)
        return share

    def take(self, share: Share) -> TranscribeClip | None:
        """The next recording for a server, when it has room for it; None: there is none for it any more."""
        while True:
            with self._changed:
                while (found := self._choose(share)) is _Then.WAIT:
                    self._changed.wait(LOOK_SECONDS)
            if found is _Then.END:
                return None
            if isinstance(found, TranscribeClip):
                return found
            drawn = next(self._clips, None)  # reads files, meanwhile others go on
            with self._changed:
                self._is_drawing = False
                self._changed.notify_all()
                if drawn is None:
                    self._is_drawn = True
                    continue
                self._out[drawn.id] = drawn
                if not (share.is_closed or self._is_stopped):
                    return self._give(share, drawn.id)
                self._again.append(drawn.id)

    def answer(self, share: Share, number: int, seconds: float) -> bool:
        """A server has answered; whether nobody has before.

        Args:
            share: Of the server.
            number: Of the recording.
            seconds: That it has; 0 where they are not known.
        """
        now = self._clock()
        with self._changed:
            share.heard_at = now
            given = _take_back(share, number)
            if given is not None:
                share.is_tested = False
                given_at, guess = given
                share.answered_seconds += seconds or guess
                share.rate.add(now, share.answered_seconds)
                if seconds:
                    self._heard_bytes += self._size_of(number)
                    self._heard_seconds += seconds
                self._usual_wait += 0.1 * (now - given_at - self._usual_wait)
            is_first = self._out.pop(number, None) is not None
            if number in self._copied:
                for other in self._shares:
                    other.strays += _take_back(other, number) is not None
            self._changed.notify_all()
        return is_first

    def close(self, share: Share) -> None:
        """Gives a server nothing more; what it has it may still answer."""
        with self._changed:
            share.is_closed = True
            self._changed.notify_all()

    def leave(self, share: Share, *, died: bool = False) -> list[int]:
        """Others take what a server has not answered; gives those recordings that are given up instead.

        Args:
            share: Of the server.
            died: It went away without a word: what it had may be why.
        """
        with self._changed:
            share.is_closed = True
            self._shares.remove(share)
            if died:
                suspects = list(share.given)[:SUSPECTS]
                self._deaths.update(suspects)
                self._deaths_alone.update(suspects if share.is_tested else ())
            given_up = [each for each in share.given if self._deaths_alone[each] >= MOST_DEATHS]
            for number in given_up:
                self._out.pop(number, None)
            held = {number for other in self._shares for number in other.given}
            self._copied -= set(share.given)
            self._again.extendleft(
                number for number in reversed(share.given) if number in self._out and number not in held
            )
            share.given.clear()
            self._changed.notify_all()
        return given_up

    def stop(self) -> None:
        """Ends all waits: nothing more is given out."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _choose(self, share: Share) -> TranscribeClip | _Then:
        if share.is_closed or self._is_stopped:
            return _Then.END
        if self._is_drawn and not self._again and (self._alone or not self._out):
            return _Then.END
        if not self._has_room(share):
            return _Then.WAIT
        number = self._left_by_another(share)
        if number is None and not self._is_drawn:
            if self._is_drawing:
                return _Then.WAIT
            self._is_drawing = True
            return _Then.DRAW
        if number is None and not self._alone:
            number = self._late(share)
        return _Then.WAIT if number is None else self._give(share, number)

    def _has_room(self, share: Share) -> bool:
        if share.is_tested or not share.given:
            return not share.given
        if self._alone:
            return True
        # When little is left each has the less, so that all have done at about the same time.
        if len(share.given) >= math.ceil((len(self._out) + self._undrawn()) * self._part(share)):
            return False
        return share.seconds < max(FIRST_SECONDS, WORK_SECONDS * share.rate.rate)

    def _part(self, share: Share) -> float:
        """Of all that is left, what a server may have at once."""
        known = [each.rate.rate for each in self._shares if each.rate.rate]
        usual = sum(known) / len(known) if known else 1.0
        absent = max(0, self._expected - len(self._shares)) * usual
        whole = sum(each.rate.rate or usual for each in self._shares) + absent
        return (KNOWN_PART if share.rate.rate else UNKNOWN_PART) * (share.rate.rate or usual) / whole

    def _left_by_another(self, share: Share) -> int | None:
        while self._again and self._again[0] not in self._out:  # answered after all
            self._again.popleft()
        for number in self._again:
            is_suspect = self._deaths[number] >= ALONE_AFTER
            if number in self._out and (not is_suspect or not share.given):
                self._again.remove(number)
                share.is_tested = is_suspect
                return number
        return None

    def _late(self, share: Share) -> int | None:
        """The oldest recording that another server takes too long for, where this one has nothing to do."""
        if share.given:
            return None
        latest = self._clock() - max(LATE_SECONDS, LATE_TIMES * self._usual_wait)
        late = [
            (given_at, number)
            for other in self._shares
            for number, (given_at, _) in other.given.items()
            if given_at <= latest and number not in self._copied and not other.is_tested
        ]
        if not late:
            return None
        _, number = min(late)
        self._copied.add(number)
        return number

    def _give(self, share: Share, number: int) -> TranscribeClip:
        now = self._clock()
        if not share.given:
            share.rate.add(now, share.answered_seconds)
        seconds = self._size_of(number) * self._heard_seconds / self._heard_bytes
        share.given[number] = (now, seconds)
        share.seconds += seconds
        return self._out[number]


def _take_back(share: Share, number: int) -> tuple[float, float] | None:
    given = share.given.pop(number, None)
    if given is not None:
        share.seconds = share.seconds - given[1] if share.given else 0.0
    return given
