"""Ctrl-C: kept out of pieces of work that must not be cut in two, and told from other ends of a statement."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = "interrupted: the statement is stopped"
"""What a statement ends with that Ctrl-C has stopped."""


def describe_end(error: BaseException) -> str:
    """What a terminal shows of a statement that was cancelled: a word, where its user has done it by Ctrl-C."""
    own = isinstance(error, KeyboardInterrupt) or str(error) == INTERRUPTED
    return "cancelled" if own else str(error)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Ctrl-C inside the block takes effect at its end.

    For drawing on a terminal: a `KeyboardInterrupt` in the midst of it would leave locks taken and bars behind.
    """
    action = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(action):
        yield  # only the main thread is interrupted
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, action)
        if came:
            action(*came[0])
