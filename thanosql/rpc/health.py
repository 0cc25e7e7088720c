"""What health checks are told (grpc.health.v1): the process, its services, and whatever else a service names.

Beside grpcio-health-checking's own servicers this one can be set from any thread before and after the server starts,
ends its watches when the server stops (they would hold up the drain until the end of the grace), and keeps one watcher
apart from another.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

Tell = Callable[[int | None], None]
"""Takes a watcher's next state; None: there will be no more. It must not block."""


class HealthStates:
    """The states by name. Any thread may read and set them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._states: dict[str, int] = {}
        self._watchers: list[tuple[str, Tell]] = []
        self._ended = False

    def set(self, name: str, serving: bool) -> None:
        """From now on checks of `name` are answered so; once the server stops, nothing is served any more."""
        with self._lock:
            self._change(name, SERVING if serving and not self._ended else NOT_SERVING)

    def forget(self, name: str) -> None:
        """There is no such thing any more."""
        with self._lock:
            if self._states.pop(name, None) is not None:
                self._tell(name, UNKNOWN)

    def get(self, name: str) -> int | None:
        """The state of `name`; None: it is unknown."""
        with self._lock:
            return self._states.get(name)

    def is_serving(self, name: str) -> bool:
        """Whether `name` is known and served."""
        return self.get(name) == SERVING

    def end(self) -> None:
        """The server stops: nothing is served any more, and the watches end."""
        with self._lock:
            self._ended = True
            for name in self._states:
                self._change(name, NOT_SERVING)
            watchers, self._watchers = self._watchers, []
        for _, tell in watchers:
            tell(None)

    def watch(self, name: str, tell: Tell) -> Callable[[], None]:
        """Tells the present state of `name` and every other one that follows; gives what ends that."""
        with self._lock:
            tell(self._states.get(name, UNKNOWN))
            if self._ended:
                tell(None)
                return _nothing
            watcher = (name, tell)
            self._watchers.append(watcher)

        def leave() -> None:
            with self._lock:
                self._watchers = [each for each in self._watchers if each is not watcher]

        return leave

    def _change(self, name: str, state: int) -> None:
        if self._states.get(name) != state:
            self._states[name] = state
            self._tell(name, state)

    def _tell(self, name: str, state: int) -> None:
        for watched, tell in self._watchers:
            if watched == name:
                tell(state)


def _nothing() -> None:
    pass


def _response(state: int) -> Any:
    return health_pb2.HealthCheckResponse(status=state)


class ThreadedHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    """Answers from the states, for `grpc.server`; all watches together hold one thread."""

    def __init__(self, states: HealthStates) -> None:
        self._states = states
        # `send` waits until gRPC has taken the message, for which gRPC needs the thread that tells of callers who left.
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="health")

    def close(self) -> None:
        """Ends the thread; the watches have ended."""
        self._sender.shutdown()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The state of one name."""
        state = self._states.get(request.service)
        if state is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"nothing here has the name {request.service!r}")
        return _response(state)

    def Watch(self, request: Any, context: grpc.ServicerContext, send: Callable[[Any], None]) -> None:  # noqa: N802
        """Every state of one name, beginning with the present one."""

        def tell(state: int | None) -> None:
            self._sender.submit(send, None if state is None else _response(state))

        leave = self._states.watch(request.service, tell)
        if not context.add_callback(leave):  # the caller has gone already
            leave()

    # What the server looks for to call a method with `send` and without a thread of its own.
    Watch.experimental_non_blocking = True  # type: ignore[attr-defined]
    Watch.experimental_thread_pool = None  # type: ignore[attr-defined]


class AsyncioHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    """Answers from the states, for `grpc.aio.server`."""

    def __init__(self, states: HealthStates) -> None:
        self._states = states

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The state of one name."""
        state = self._states.get(request.service)
        if state is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing here has the name {request.service!r}")
        return _response(state or UNKNOWN)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802, ARG002
        """Every state of one name, beginning with the present one."""
        loop = asyncio.get_running_loop()
        states: asyncio.Queue[int | None] = asyncio.Queue()

        def tell(state: int | None) -> None:
            loop.call_soon_threadsafe(states.put_nowait, state)

        leave = self._states.watch(request.service, tell)
        try:
            while (state := await states.get()) is not None:
                yield _response(state)
        finally:
            leave()
