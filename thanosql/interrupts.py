"""Keeps Ctrl-C out of pieces of work that must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
