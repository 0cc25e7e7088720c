"""Calls the catalog again and again where it has gone away for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from thanosql.errors import TimedOut, Unavailable

T = TypeVar("T")

CATALOG_SECONDS = 60.0
"""For so long a catalog that went away is waited for, at the end of a job."""
PAUSE = 0.5


def insist(call: Callable[[], T], is_pointless: Callable[[], bool]) -> T:
    """What `call` gives, as soon as the catalog answers.

    Raises:
        Unavailable, TimedOut: it did not for `CATALOG_SECONDS`, or `is_pointless` says that waiting is.
    """
    deadline = time.monotonic() + CATALOG_SECONDS
    while True:
        try:
            return call()
        except (Unavailable, TimedOut):
            if is_pointless() or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
