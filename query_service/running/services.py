"""The other services, as one query sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import grpc

from query_service.config import QueryConfig
from query_service.running.peers import Peers
from thanosql.clients import CatalogClient, InferenceClient, TrainerClient
from thanosql.errors import Cancelled, NotSupported, Unavailable
from thanosql.open_inference import SCHEME, OpenInferenceClient
from thanosql.rpc.identity import current_identity
from thanosql.rpc.targets import find_servers, is_several
from thanosql.workspace import DEFAULT_WORKSPACE

ANSWER_SECONDS = 2.0
"""In which a server must say whether it serves."""

T = TypeVar("T", CatalogClient, TrainerClient, InferenceClient)


class Services:
    """Clients of the other services, over channels that nobody else uses meanwhile.

    `close`, from any thread, cuts off every call that is under way: this is how a query is stopped within
    milliseconds whatever it waits for. `release` is for the good end, with no call left.
    """

    def __init__(self, config: QueryConfig, peers: Peers) -> None:
        self._config = config
        self._workspace = current_identity().workspace
        self._peers = peers
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
        """Transcribes audio: inference_service, or another server that the setting names; replicas take turns."""
        return self.inference_at(self._config.inference)

    @property
    def has_replicas(self) -> bool:
        """Whether several servers may stand behind the setting `inference`, which must be told apart for streams."""
        address = self._config.inference
        # Of the other protocol every recording is a call of its own, which gRPC spreads.
        return is_several(address) and not address.startswith(SCHEME)

    def find_inference(self) -> tuple[str, ...]:
        """The address of each server that transcribes, at this moment.

        Raises:
            Unavailable: DNS knows none.
        """
        return find_servers(self._config.inference) if self.has_replicas else (self._config.inference,)

    def count_inference(self) -> int:
        """How many servers transcribe at this moment, those alone that serve; 1 where that cannot be told."""
        if not self.has_replicas:
            return 1
        try:
            asked = [self.inference_at(each).ask_health(ANSWER_SECONDS) for each in self.find_inference()]
        except Unavailable:
            return 1
        return max(1, sum(answer() is True for answer in asked))

    def inference_at(self, address: str) -> InferenceClient | OpenInferenceClient:
        """One of the servers that `find_inference` found."""
        if not address.startswith(SCHEME):
            return self._client(InferenceClient, address)
        if self._workspace != DEFAULT_WORKSPACE:
            # Such a server has one model of a name: the first workspace's.
            raise NotSupported(
                f"models of the workspace {self._workspace} cannot be served by {address}, which knows no workspaces",
                hint="Let the setting inference name an inference_service, or use the first workspace.",
            )
        return OpenInferenceClient(self._channel(address.removeprefix(SCHEME)), address, self._config.workspace)

    def _client(self, make: Callable[[grpc.Channel, str], T], address: str) -> T:
        return make(self._channel(address), address)

    def _channel(self, address: str) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise Cancelled("the statement was cancelled")
            channel = self._channels.get(address)
            if channel is None:
                channel = self._channels[address] = self._peers.lend(address)
        return channel

    def another(self) -> Services:
        """The same services over channels apart from these."""
        return Services(self._config, self._peers)

    def release(self) -> None:
        """Leaves the channels to other queries; there is no call on them any more."""
        for address, channel in self._end().items():
            self._peers.take_back(address, channel)

    def close(self) -> None:
        """Ends all calls and frees the channels."""
        for channel in self._end().values():
            channel.close()

    def _end(self) -> dict[str, grpc.Channel]:
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, {}
        return channels
