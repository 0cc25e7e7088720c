"""A channel that several callers share, seen by one of them: their token and workspace go along with each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from thanosql.rpc.channel import with_metadata


def pass_on(channel: grpc.Channel, metadata: Sequence[tuple[str, str]]) -> grpc.Channel:
    """`channel`, with `metadata` on each call; nothing is opened for it, and it need not be closed."""
    return grpc.intercept_channel(channel, _Sender(metadata))


class _Sender(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, metadata: Sequence[tuple[str, str]]) -> None:
        self._metadata = metadata

    def _send(self, continuation: Callable[[Any, Any], Any], details: grpc.ClientCallDetails, request: Any) -> Any:
        metadata = [*(details.metadata or ()), *self._metadata]
        return continuation(with_metadata(details, metadata), request)

    intercept_unary_unary = _send  # type: ignore[assignment]
    intercept_unary_stream = _send  # type: ignore[assignment]
    intercept_stream_unary = _send  # type: ignore[assignment]
    intercept_stream_stream = _send  # type: ignore[assignment]
