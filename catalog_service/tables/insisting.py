"""Stops what a database does for a statement, also where it is between two of its steps just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def insist(interrupt: Callable[[], bool], every: float) -> None:
    """Calls `interrupt`, and again, in a thread of its own, until nothing is left that it could interrupt.

    DuckDB and PostgreSQL forget an interruption that comes while they have nothing to do: the next step would run to
    its end.

    Args:
        interrupt: Says whether there was something; any thread may call it.
        every: Seconds between two calls.
    """

    def go_on() -> None:
        time.sleep(every)
        while interrupt():
            time.sleep(every)

    if interrupt():
        threading.Thread(target=go_on, name="stop-statement", daemon=True).start()
