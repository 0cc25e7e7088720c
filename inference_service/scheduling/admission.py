"""How much audio of a class may wait for a model: bounded in seconds, the bound shared by the streams."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from inference_service.scheduling.rate import Forecast
from thanosql.errors import Overloaded

FIRST_RETRY_SECONDS = 1.0
"""After which a request that was refused may come again, where no batch was computed yet."""
MARGIN = 1.2
"""A deadline is met by a fifth, or the request is refused. What is predicted too early would be computed too late, and
where many come that would be everything."""


class Admission:
    """Holds back streams that are ahead of the model, and says when single requests are too many; on one event loop.

    Each stream may hold its equal share of `capacity_seconds`, and always one piece however long. So a sender that is
    held back by gRPC's flow control never keeps another one out. The single requests of a class count together as one
    stream, for as long as there are any; they are not held back but refused.
    """

    def __init__(self, capacity_seconds: float) -> None:
        self._capacity = capacity_seconds
        self._held: dict[Hashable, float] = {}
        self._turns: dict[Hashable, asyncio.Lock] = {}
        self._changed = asyncio.Event()

    def open(self, stream: Hashable) -> None:
        """The stream begins; the others' shares grow smaller."""
        self._held[stream] = 0.0
        self._turns[stream] = asyncio.Lock()

    def close(self, stream: Hashable) -> None:
        """The stream has ended; what it held is free."""
        self._held.pop(stream, None)
        self._turns.pop(stream, None)
        self._wake()

    async def enter(self, stream: Hashable, seconds: float) -> None:
        """Waits until so many more seconds of the stream may be queued; in the order of asking."""
        async with self._turns[stream]:
            while (held := self._held[stream]) and held + seconds > self._capacity / len(self._held):
                await self._changed.wait()
            self._held[stream] += seconds

    def leave(self, stream: Hashable, seconds: float) -> None:
        """They have been computed, or given up."""
        if stream in self._held:
            # Sums of fractions leave crumbs, and a stream that holds nothing must be seen to hold nothing.
            left = self._held[stream] - seconds
            self._held[stream] = left if left > 1e-6 else 0.0
            self._wake()

    def has_room(self, seconds: float) -> bool:
        """Whether one more single request may be let in.

        Where there is any room, it is there for long requests as for short ones, or only the short ones would get in
        when many come. One that is longer than the whole share is let in where no other one is.
        """
        share = self._capacity / (len(self._held) + (self not in self._held))
        return not self.let_in_seconds or (self.let_in_seconds < share and seconds <= share)

    @property
    def let_in_seconds(self) -> float:
        """Of the single requests that are not answered yet: they are read, wait or are being computed."""
        return self._held.get(self, 0.0)

    def take(self, seconds: float) -> None:
        """A single request is let in; it goes by `give_back`."""
        self._held[self] = self._held.get(self, 0.0) + seconds

    def give_back(self, seconds: float) -> None:
        """It has been answered, or given up."""
        self._held[self] -= seconds
        # The last one gone, the streams share without them again. (The sum of fractions is not quite nothing.)
        if self._held[self] <= 1e-6:
            del self._held[self]
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check_request(forecast: Forecast, *, has_room: bool, remaining: float, model: str) -> None:
    """Refuses a single request that would only wait, or be late; what has been let in is not refused any more.

    Args:
        forecast: When it would begin and end.
        has_room: Its class has room in the queue.
        remaining: Seconds until its deadline.
        model: For the message.

    Raises:
        Overloaded: `retry_after` says when the queue will have drained, as predicted.
    """
    if not has_room:
        raise Overloaded(
            f"as much audio waits for model {model!r} as may",
            hint="Come again later, or send less at once.",
            reason="queue full",
            retry_after=forecast.begin or FIRST_RETRY_SECONDS,
        )
    if MARGIN * forecast.end > remaining:
        raise Overloaded(
            f"model {model!r} would need about {forecast.end:.2f} s for this recording, of which it would wait "
            f"{forecast.begin:.2f} s; its deadline is in {remaining:.2f} s",
            hint="Come again later, or give it more time.",
            reason="deadline",
            retry_after=forecast.begin or None,
        )
