"""How much audio may wait for a model: bounded in seconds, the bound shared by the streams."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable


class Admission:
    """Holds back whoever is ahead of the model; used on one event loop only.

    Each stream may hold its equal share of `capacity_seconds`, and always one piece however long. So a sender that is
    held back by gRPC's flow control never keeps another one out.
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

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
