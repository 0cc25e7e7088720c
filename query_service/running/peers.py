"""Channels to the other services that queries take turns with: to open one takes longer than many a query."""

from __future__ import annotations

import threading
from collections import defaultdict

import grpc

from query_service.config import QueryConfig
from thanosql.rpc.channel import open_channel
from thanosql.rpc.telemetry import find_tracing

MOST_IDLE = 8
"""Channels to one address that wait for a query."""


class Peers:
    """Lends channels. A query has its channels for itself, so that closing them cuts off its calls and no others."""

    def __init__(self, config: QueryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._idle: defaultdict[str, list[grpc.Channel]] = defaultdict(list)
        self._closed = False

    def lend(self, address: str) -> grpc.Channel:
        """A channel on which there are no calls."""
        with self._lock:
            if self._idle[address]:
                return self._idle[address].pop()
        return open_channel(address, self._config.token, find_tracing(self._config))

    def take_back(self, address: str, channel: grpc.Channel) -> None:
        """Keeps a channel, all calls of which have ended, for another query."""
        with self._lock:
            if not self._closed and len(self._idle[address]) < MOST_IDLE:
                self._idle[address].append(channel)
                return
        channel.close()

    def close(self) -> None:
        """Closes what is not lent; the rest is closed when it comes back."""
        with self._lock:
            self._closed = True
            channels = [channel for idle in self._idle.values() for channel in idle]
            self._idle.clear()
        for channel in channels:
            channel.close()
