"""Holds models for short calls: a model is entered once a second, not once a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from inference_service.models.models import LoadedModel, Models

T = TypeVar("T")

HOLD_SECONDS = 1.0
"""A version that is made anew, or a newer one, is served by short calls so much later."""


class Held(Generic[T]):
    """A model that is entered while `uses` is over 0, and a little longer."""

    __slots__ = ("_last_left", "model", "uses")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.model: asyncio.Future[T] = loop.create_future()
        """What was made of it; or why it cannot be had."""
        self.uses = 0
        self._last_left: asyncio.Future[None] | None = None

    def leave(self) -> None:
        """A call that took it has ended."""
        self.uses -= 1
        if not self.uses and self._last_left is not None and not self._last_left.done():
            self._last_left.set_result(None)

    async def wait_until_left(self) -> None:
        """Returns when no call uses it any more; none takes it from now on."""
        if self.uses:
            self._last_left = asyncio.get_running_loop().create_future()
            await self._last_left


class HeldModels(Generic[T]):
    """Gives calls the model that they name; used on one event loop.

    To enter a model looks at the disk, which no short call should wait for: the store may be on another machine.

    Args:
        models: Where they are entered.
        make: What the calls need of a model, made once for all calls in which it is held.
        seconds: How long a model is held.
    """

    def __init__(self, models: Models, make: Callable[[LoadedModel], T], *, seconds: float = HOLD_SECONDS) -> None:
        self._models, self._make, self._seconds = models, make, seconds
        self._held: dict[tuple[str, int], Held[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, name: str, version: int) -> Held[T]:
        """The model, or what will be it: `await asyncio.shield(held.model)`. The caller has to `leave` it."""
        held = self._held.get((name, version))
        if held is None:
            held = self._held[name, version] = Held()
            task = asyncio.create_task(self._hold(name, version, held))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        held.uses += 1
        return held

    async def _hold(self, name: str, version: int, held: Held[T]) -> None:
        """Enters the model, and leaves it when its time is over and the last call has ended."""
        try:
            async with self._models.use(name, version) as model:
                held.model.set_result(self._make(model))
                await asyncio.sleep(self._seconds)
                del self._held[name, version]
                await held.wait_until_left()
        except BaseException as error:
            if self._held.get((name, version)) is held:
                del self._held[name, version]
            if held.model.done():  # not for the callers: the service is stopping
                raise
            if isinstance(error, asyncio.CancelledError):
                held.model.cancel()
                raise
            held.model.set_exception(error)
            held.model.exception()  # seen: every caller may have gone
