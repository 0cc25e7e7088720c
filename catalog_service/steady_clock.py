"""A clock that goes on evenly whatever becomes of the machine's: leases of trainers run by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def start_steady_clock(
    wall: Callable[[], datetime] = lambda: datetime.now(UTC), monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], datetime]:
    """A clock that is right now, and that nobody sets: where the machine's jumps, this one does not.

    Args:
        wall: The moment, in UTC.
        monotonic: Seconds, never going back.
    """
    started, at = wall(), monotonic()
    return lambda: started + timedelta(seconds=monotonic() - at)
