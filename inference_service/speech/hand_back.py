"""Hands answers back from the batcher's threads to the event loop: as many as there are in one wake-up.

`asyncio.wrap_future` wakes the loop for every single one, and a wake-up (a write to a socket, a switch of threads and
of the interpreter's lock) costs more than the rest of an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class _Answers:
    """What is on its way to one event loop. It does not hold the loop, or none would ever be forgotten."""

    def __init__(self) -> None:
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._is_woken = False

    def bring(self, waiter: asyncio.Future[Any], future: Future[Any]) -> None:
        """Called by any thread when `future` is done."""
        loop = waiter.get_loop()
        if loop.is_closed():
            return
        self._done.append((waiter, future))
        # Two threads may both find that it is not woken: then it wakes twice, which does no harm.
        if not self._is_woken:
            self._is_woken = True
            loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        # First, so that whatever comes while the rest is handed out either is found here or wakes the loop again.
        self._is_woken = False
        while self._done:
            waiter, future = self._done.popleft()
            if waiter.done():  # given up
                continue
            if future.cancelled():
                waiter.cancel()
            elif (error := future.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(future.result())


_answers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Answers] = WeakKeyDictionary()


def hand_back(future: Future[T]) -> asyncio.Future[T]:
    """What the running loop can await in place of `future`; cancelled, it cancels that one too.

    A failure that nobody looks at, because whoever waited has given up, is not complained of.
    """
    loop = asyncio.get_running_loop()
    answers = _answers.get(loop)
    if answers is None:
        answers = _answers[loop] = _Answers()
    waiter: asyncio.Future[T] = loop.create_future()
    waiter.add_done_callback(partial(_settle, future))
    future.add_done_callback(partial(answers.bring, waiter))
    return waiter


def _settle(future: Future[Any], waiter: asyncio.Future[Any]) -> None:
    if waiter.cancelled():
        future.cancel()
    else:
        waiter.exception()
