"""The other services, as one query sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import grpc

from query_service.config import QueryConfig
from thanosql.clients import CatalogClient, InferenceClient, TrainerClient
from thanosql.errors import Cancelled
from thanosql.open_inference import SCHEME, OpenInferenceClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.telemetry import find_tracing

T = TypeVar("T", CatalogClient, TrainerClient, InferenceClient)


class Services:
    """Clients of the other services, with channels of their own.

    `close`, from any thread, cuts off every call that is under way: this is how a query is stopped within
    milliseconds whatever it waits for. The connections below are shared by gRPC, so channels cost little.
    """

    def __init__(self, config: QueryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._channels: dict[str, grpc.Channel] = {}
        self._closed = False

    @property
    def catalog(self) -> CatalogClient:
        """Tables, models, jobs, transcripts."""
        return self._client(CatalogClient, self._config.catalog)

    @property
    def trainer(self) -> TrainerClient:
        """Fine-tunes and exports models."""
        return self._client(TrainerClient, self._config.trainer)

    @property
    def inference(self) -> InferenceClient | OpenInferenceClient:
        """Transcribes audio: inference_service, or another server that the setting names."""
        address = self._config.inference
        if not address.startswith(SCHEME):
            return self._client(InferenceClient, address)
        return OpenInferenceClient(self._channel(address.removeprefix(SCHEME)), address, self._config.workspace)

    def _client(self, make: Callable[[grpc.Channel, str], T], address: str) -> T:
        return make(self._channel(address), address)

    def _channel(self, address: str) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise Cancelled("the statement was cancelled")
            channel = self._channels.get(address)
            if channel is None:
                channel = self._channels[address] = open_channel(
                    address, self._config.token, find_tracing(self._config)
                )
        return channel

    def close(self) -> None:
        """Ends all calls and frees the channels."""
        with self._lock:
            self._closed = True
            channels = list(self._channels.values())
            self._channels.clear()
        for channel in channels:
            channel.close()
