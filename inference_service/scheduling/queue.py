"""What waits for one model, kept in the orders that the batching rule looks at; knows no threads and no clock."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import cast

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
from inference_service.scheduling.turns import Turns
from thanosql.types import Priority


class Queue:
    """Requests of both classes. Every method costs about the same whether ten wait or ten thousand.

    Whoever shares it among threads holds a lock, and says what time it is, on one clock.
    """

    def __init__(self, limits: Limits, sharing: Sharing) -> None:
        self._limits, self._sharing = limits, sharing
        self._lanes = {priority: _Lane() for priority in Priority}
        self._weights = {Priority.BULK: sharing.bulk_share, Priority.INTERACTIVE: 1 - sharing.bulk_share}
        self._turns = Turns()
        self._numbers = itertools.count()
        self._deadlines: list[tuple[float, int]] = []
        self._requests: dict[int, Request] = {}
        self._last_interactive = -math.inf

    def __len__(self) -> int:
        return len(self._requests)

    def put(
        self,
        seconds: float,
        *,
        now: float,
        priority: Priority = Priority.BULK,
        stream: Hashable = None,
        deadline: float = math.inf,
        max_rows: int = 0,
    ) -> Request:
        """A request has come."""
        request = Request(next(self._numbers), seconds, priority, stream, now, deadline, max_rows)
        self._requests[request.number] = request
        self._lanes[priority].put(request)
        self._turns.join(priority)
        if deadline < math.inf:
            insort(self._deadlines, (deadline, request.number))
        if priority is Priority.INTERACTIVE:
            self._last_interactive = now
        return request

    def remove(self, request: Request) -> bool:
        """It was given up; False: it does not wait any more."""
        if self._requests.pop(request.number, None) is None:
            return False
        lane = self._lanes[request.priority]
        lane.remove(request)
        if not lane.requests:
            self._turns.leave(request.priority)
        if request.deadline < math.inf:
            del self._deadlines[bisect_left(self._deadlines, (request.deadline, request.number))]
        return True

    def withdraw(self, stream: Hashable) -> list[Request]:
        """Takes out what waits of a stream that has ended."""
        gone = [each for lane in self._lanes.values() for each in lane.of(stream)]
        for each in gone:
            self.remove(each)
        for lane in self._lanes.values():
            lane.turns.forget(stream)
        return gone

    def expire(self, now: float) -> list[Request]:
        """Takes out what has not begun by its deadline."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            late.append(self._requests[self._deadlines[0][1]])
            self.remove(late[-1])
        return late

    @property
    def next_deadline(self) -> float:
        """The earliest of what waits."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    def take(self, now: float, running: Running) -> Batch | float:
        """Takes the next batch out; or says until when nothing is to be done unless something changes."""
        about = self.interactive_is_about(now)
        turns = [cast("Priority", each) for each in self._turns]
        chosen = choose_class(turns, running, self._sharing, interactive_is_about=about)
        if chosen is None:
            return self._last_interactive + self._sharing.recent_seconds if turns else math.inf
        lane, others = self._lanes[chosen], self._lanes[_other(chosen)]
        anchor = lane.first()
        batch = fill_batch(
            anchor,
            lane.neighbours(anchor),
            others.not_over,
            self._limits,
            self._sharing,
            now=now,
            running_seconds=running.padded_seconds,
            interactive_is_about=about,
        )
        if batch is None:
            return math.inf
        full_at = min(row.arrival for row in batch.rows) + self._sharing.delay_seconds
        if batch.closed is Closed.EMPTY and now < full_at:
            return full_at
        self._turns.begin(chosen)
        lane.turns.begin(anchor.stream)
        for row in batch.rows:
            self._turns.charge(row.priority, row.seconds / self._weights[row.priority])
            of_class = self._lanes[row.priority].turns
            of_class.charge(row.stream, row.seconds)
            of_class.advance(row.seconds)
            self.remove(row)
        return batch

    def interactive_is_about(self, now: float) -> bool:
        """One waits, or came lately."""
        return (
            bool(self._lanes[Priority.INTERACTIVE].requests)
            or now < self._last_interactive + self._sharing.recent_seconds
        )

    def seconds(self, priority: Priority | None = None) -> float:
        """Seconds of audio that wait: of a class, or of both."""
        return sum(lane.seconds for each, lane in self._lanes.items() if priority in (None, each))

    def seconds_before(self, priority: Priority, stream: Hashable, seconds: float, *, at_least: float = 0.0) -> float:
        """Seconds of audio that would be computed before one more request begins.

        Each other stream of the class is served about as much as its own, of which `at_least` so much comes before; the
        class has its share while the other one waits, and everything after that.
        """
        own = self._lanes[priority].seconds_before(stream, seconds, at_least)
        return min(own / self._weights[priority], own + self.seconds(_other(priority)))


class _Lane:
    """What waits of one class."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}
        self.turns = Turns()
        self.seconds = 0.0
        # Ordered dictionaries, not plain ones: those take ever longer to find their first key as it is removed.
        self._streams: dict[Hashable, OrderedDict[int, Request]] = {}
        self._stream_seconds: dict[Hashable, float] = {}
        # Two lists, so that equal lengths come in the order of arrival in both directions.
        self._rising: list[tuple[float, int]] = []
        self._falling: list[tuple[float, int]] = []

    def put(self, request: Request) -> None:
        self.requests[request.number] = request
        self._streams.setdefault(request.stream, OrderedDict())[request.number] = request
        self._stream_seconds[request.stream] = self._stream_seconds.get(request.stream, 0.0) + request.seconds
        self.seconds += request.seconds
        insort(self._rising, (request.seconds, request.number))
        insort(self._falling, (-request.seconds, request.number))
        self.turns.join(request.stream)

    def remove(self, request: Request) -> None:
        del self.requests[request.number]
        of_stream = self._streams[request.stream]
        del of_stream[request.number]
        self._stream_seconds[request.stream] -= request.seconds
        self.seconds -= request.seconds
        del self._rising[bisect_left(self._rising, (request.seconds, request.number))]
        del self._falling[bisect_left(self._falling, (-request.seconds, request.number))]
        if not of_stream:
            del self._streams[request.stream], self._stream_seconds[request.stream]
            self.turns.leave(request.stream)
        if not self.requests:
            # Sums of fractions leave crumbs.
            self.seconds = 0.0

    def of(self, stream: Hashable) -> list[Request]:
        return list(self._streams.get(stream, {}).values())

    def first(self) -> Request:
        """The oldest request of the stream whose turn it is."""
        return next(iter(self._streams[self.turns.first].values()))

    def neighbours(self, anchor: Request) -> Neighbours:
        longer = self._from(self._rising, bisect_left(self._rising, (anchor.seconds, -1)))
        shorter = self._from(self._falling, bisect_right(self._falling, (-anchor.seconds, math.inf)))
        return Neighbours(shorter, (each for each in longer if each is not anchor))

    def not_over(self, seconds: float) -> Iterator[Request]:
        """Those of no more than so many seconds, the longest first."""
        return self._from(self._falling, bisect_left(self._falling, (-seconds, -1)))

    def seconds_before(self, stream: Hashable, seconds: float, at_least: float) -> float:
        own = max(at_least, self._stream_seconds.get(stream, 0.0))
        most = own + seconds
        return own + sum(min(each, most) for other, each in self._stream_seconds.items() if other != stream)

    def _from(self, order: list[tuple[float, int]], place: int) -> Iterator[Request]:
        return (self.requests[order[i][1]] for i in range(place, len(order)))


def _other(priority: Priority) -> Priority:
    return Priority.BULK if priority is Priority.INTERACTIVE else Priority.INTERACTIVE
