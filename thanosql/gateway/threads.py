"""Work that waits (calls of gRPC, the writing of rows) in threads, for the requests of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")

_END = object()


async def read_in_threads(values: Generator[T]) -> AsyncGenerator[T]:
    """The values of a generator, each awaited in a thread; the generator is closed at the end.

    Where the reader leaves while a value is awaited, whatever makes the values has to be stopped by other means: a
    generator cannot be closed while it runs.
    """
    try:
        while (value := await asyncio.to_thread(next, values, _END)) is not _END:
            yield value  # type: ignore[misc]  # it is not the end
    finally:
        with suppress(ValueError):  # it runs still
            values.close()


async def unless_left(request: Request, work: Callable[[], T], stop: Callable[[], object]) -> T:
    """What `work` gives, in a thread; where the caller leaves before, or the gateway stops, `stop` has to end it.

    The body of the request must have been read.

    Raises:
        ClientDisconnect: the caller has left.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    leaving = asyncio.ensure_future(_wait_until_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        leaving.cancel()
        if not working.done():
            stop()
            working.add_done_callback(_forget)


async def _wait_until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _forget(working: asyncio.Future[T]) -> None:
    """Nobody awaits it any more, and its error is known."""
    if not working.cancelled():
        working.exception()
