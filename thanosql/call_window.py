"""Many unary calls at once: a bounded number under way, and fewer of them where the server has too much to do."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from thanosql.errors import Overloaded

R = TypeVar("R")

MOST_CALLS = 128
"""Under way at once: two of the largest batches that a server makes of them."""
MOST_BYTES = 128 << 20
"""Of what is sent with the calls that are under way; one call always may be."""
PATIENCE = 600.0
"""Seconds for which a call is made again and again to a server that has too much to do."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a call is made again, where the server names none: they double from one to the other."""


@dataclass(eq=False)
class Sending(Generic[R]):
    """A request, and how it fares."""

    request: R
    size: int
    """Bytes."""
    first_sent: float
    refusals: int = 0


class CallWindow(Generic[R]):
    """The calls that one caller has under way; used in one thread.

    Args:
        call: Begins a call.
        clock: Gives seconds.
    """

    def __init__(self, call: Callable[[R], grpc.Future[object]], clock: Callable[[], float] = time.monotonic) -> None:
        self._call, self._clock = call, clock
        self._under_way: dict[Sending[R], grpc.Future[object]] = {}
        self._bytes = 0
        self._ended: queue.SimpleQueue[tuple[Sending[R], grpc.Future[object]]] = queue.SimpleQueue()
        self._refused: list[tuple[float, int, Sending[R]]] = []
        """When to send what again; the number keeps the order of what is due at the same moment."""
        self._numbers = itertools.count()
        self._most = float(MOST_CALLS)

    @property
    def is_empty(self) -> bool:
        """Whether every call has been answered."""
        return not self._under_way and not self._refused

    @property
    def has_room(self) -> bool:
        """Whether another call may begin: not before those that were refused."""
        return not self._refused and self._may_begin

    @property
    def has_answers(self) -> bool:
        """Whether `wait` returns at once."""
        return not self._ended.empty()

    @property
    def due(self) -> float:
        """When the next refused call is to be made again, by the clock."""
        return self._refused[0][0]

    @property
    def _may_begin(self) -> bool:
        return not self._under_way or (len(self._under_way) < int(self._most) and self._bytes < MOST_BYTES)

    def send(self, request: R, size: int) -> None:
        """Begins a call; `size` are its bytes."""
        self._begin(Sending(request, size, self._clock()))

    def wait(self) -> tuple[Sending[R], grpc.Future[object]] | None:
        """The next call that has ended; None where instead one that was refused has been made again."""
        pause = None
        if self._refused and self._may_begin:
            pause = max(0.0, self.due - self._clock())
        try:
            sending, call = self._ended.get(timeout=pause)
        except queue.Empty:
            self._begin(heapq.heappop(self._refused)[2])
            return None
        del self._under_way[sending]
        self._bytes -= sending.size
        return sending, call

    def succeed(self) -> None:
        """A call was answered: there may be more of them again."""
        self._most = min(MOST_CALLS, self._most + 1 / self._most)

    def refuse(self, sending: Sending[R], refusal: Overloaded) -> None:
        """The server has too much to do: there shall be half as many calls, and this one is made again later.

        Raises:
            Overloaded: it was refused for longer than `PATIENCE`.
        """
        now = self._clock()
        if now - sending.first_sent > PATIENCE:
            raise refusal
        self._most = max(1.0, (len(self._under_way) + 1) / 2)
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(sending.refusals, 16))
        sending.refusals += 1
        heapq.heappush(self._refused, (now + (refusal.retry_after or pause), next(self._numbers), sending))

    def cancel(self) -> None:
        """Ends what is under way."""
        for call in self._under_way.values():
            call.cancel()

    def _begin(self, sending: Sending[R]) -> None:
        call = self._call(sending.request)
        self._under_way[sending] = call
        self._bytes += sending.size
        call.add_done_callback(lambda ended: self._ended.put((sending, ended)))
