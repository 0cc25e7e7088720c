"""Ends the streams of senders from whom nothing comes any more: each holds a thread, and there are few."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

LONGEST_QUIET = 120.0
"""Seconds; a sender of half a megabyte a message who is slower than that has 4 kB/s."""


def while_heard(requests: Iterable[T], end: Callable[[], object], seconds: float = LONGEST_QUIET) -> Generator[T]:
    """The requests, as they come; `end` is called, by another thread, when none has come for so long.

    What its taker does meanwhile takes none of that time.

    Args:
        requests: Of a stream.
        end: Has `requests` end or raise.
        seconds: Without a request.
    """
    waits_since = [math.inf]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(seconds / 4):
            if time.monotonic() - waits_since[0] > seconds:
                end()
                return

    threading.Thread(target=watch, name="upload-watch", daemon=True).start()
    try:
        following = iter(requests)
        while True:
            waits_since[0] = time.monotonic()
            try:
                request = next(following)
            except StopIteration:
                return
            waits_since[0] = math.inf
            yield request
    finally:
        is_over.set()
