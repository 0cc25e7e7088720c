"""Gives the system back what the C library keeps of freed memory, so that a service does not grow with what it did."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVERY_SECONDS = 30.0
"""A service gives memory back so often. It takes milliseconds, in which others go on."""


ARENAS = 2
"""From which glibc gives memory to the threads of a service; by itself it makes eight for each core, and each keeps
pieces of its own."""

_M_ARENA_MAX = -8  # of malloc.h


def give_back_memory() -> None:
    """Gives back what is free now, where the C library can (glibc's `malloc_trim`).

    Without this the process keeps what many threads took and freed in pieces of all sizes: an inference service that
    transcribed for half an hour went from 210 to 340 MB between two calls of this, and back with each.
    """
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def bound_arenas() -> None:
    """Has the threads that are still to come share a few arenas, where the C library has such.

    A catalog service with everybody at work for ten minutes held 42 MB in 84, then 105 MB of arenas.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


@contextmanager
def memory_given_back(every: float = EVERY_SECONDS) -> Iterator[None]:
    """Gives memory back every so many seconds, in a thread of its own, until the block ends."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(every):
            give_back_memory()

    thread = threading.Thread(target=go_on, name="give-back-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
