"""A channel on which a call after `close`, from any thread, is an error.

Generated stubs ask grpcio to look a method's number up for each call that goes through interceptors. On a channel that
was closed this reads memory that is gone and ends the process with SIGSEGV (seen with grpcio 1.85.3); and statements
are stopped by closing their channels while other threads are about to call. Without that number a call fails with
`ValueError` there.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import grpc

CLOSED = (grpc.FutureCancelledError, ValueError)
"""What a call gives, when its answer is asked for, whose channel was closed: while it was under way, or before."""


class ClosableChannel(grpc.Channel):
    """Another channel, with methods looked up by their names."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def unary_unary(self, method: str, *serialisers: Any, **options: Any) -> Any:
        """See `grpc.Channel`."""
        return self._channel.unary_unary(method, *_without_number(serialisers, options))

    def unary_stream(self, method: str, *serialisers: Any, **options: Any) -> Any:
        """See `grpc.Channel`."""
        return self._channel.unary_stream(method, *_without_number(serialisers, options))

    def stream_unary(self, method: str, *serialisers: Any, **options: Any) -> Any:
        """See `grpc.Channel`."""
        return self._channel.stream_unary(method, *_without_number(serialisers, options))

    def stream_stream(self, method: str, *serialisers: Any, **options: Any) -> Any:
        """See `grpc.Channel`."""
        return self._channel.stream_stream(method, *_without_number(serialisers, options))

    def subscribe(self, callback: Callable[..., Any], try_to_connect: bool | None = False) -> None:
        """See `grpc.Channel`."""
        self._channel.subscribe(callback, try_to_connect=bool(try_to_connect))

    def unsubscribe(self, callback: Callable[..., Any]) -> None:
        """See `grpc.Channel`."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """See `grpc.Channel`."""
        self._channel.close()

    def __enter__(self) -> ClosableChannel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _without_number(serialisers: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
    """How requests are written and answers read, in grpcio's order; whether the method has a number is left out."""
    names = ("request_serializer", "response_deserializer")
    given = dict(zip(names, serialisers, strict=False)) | options
    return given.get(names[0]), given.get(names[1])
