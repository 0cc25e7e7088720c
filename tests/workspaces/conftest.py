"""An installation of four services, with a workspace beside the first one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
import soundfile

import thanosql
from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from inference_service.__main__ import start as start_inference
from inference_service.config import InferenceConfig
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from thanosql import Session
from thanosql.clients import CatalogClient, QueryClient
from thanosql.configuration import Folders
from thanosql.rpc.channel import open_channel
from thanosql.types import AudioKey, CachedTranscript, Model
from trainer_service.__main__ import start as start_trainer
from trainer_service.config import TrainerConfig

SECRET = "the installation's secret"
OTHER = "research"
WORKSPACES = ("default", OTHER)


@dataclass(frozen=True)
class Installation:
    """Where the services are, and their folders."""

    addresses: dict[str, str]
    """By service."""
    folders: Callable[[str], Folders]
    opened: ExitStack

    def channel(self, service: str, workspace: str) -> grpc.Channel:
        """As another service would call on behalf of a workspace."""
        return self.opened.enter_context(open_channel(self.addresses[service], SECRET, workspace=workspace))

    def catalog(self, workspace: str) -> CatalogClient:
        """The catalog of a workspace."""
        return CatalogClient(self.channel("catalog", workspace), self.addresses["catalog"])

    def client(self, workspace: str) -> QueryClient:
        """The query service, for a workspace."""
        return QueryClient(self.channel("query", workspace), self.addresses["query"])

    def session(self, workspace: str) -> Session:
        """As a user of a workspace."""
        session = thanosql.connect(self.addresses["query"], token=SECRET, workspace=workspace)
        return self.opened.enter_context(session)

    def write(self, workspace: str, path: str, content: str) -> None:
        """A file of a workspace."""
        file = self.folders(workspace).root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")

    def record(self, workspace: str, path: str, said: str, model: str = "m") -> None:
        """A recording, of which a model that is ready has said something before; the same bytes everywhere."""
        file = self.folders(workspace).root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.zeros(1_600, np.float32), 16_000)
        os.utime(file, ns=(7, 7))
        catalog = self.catalog(workspace)
        catalog.register_model(Model(model, 1, "Wav2Vec2EnTiny", "bundled"))
        key = AudioKey(path, file.stat().st_size, file.stat().st_mtime_ns)
        catalog.store_transcripts(model, 1, [CachedTranscript(key, said, 0.5, "", 0.1)])


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The four services over folders of their own."""
    folder = tmp_path_factory.mktemp("installation")
    common = {"port": 0, "token": SECRET, "workspace": folder / "files", "state": folder / "state", "grace": 0.5}
    common["workspaces"] = folder / "others"
    (folder / "files").mkdir()
    with ExitStack() as opened:
        catalog = start_catalog(CatalogConfig(**common, memory_limit="256MB", query_threads=2, open_workspaces=2))
        opened.callback(catalog.stop)
        trainer = start_trainer(TrainerConfig(**common, catalog=catalog.address, device="cpu", hub_timeout=0.1))
        opened.callback(trainer.stop)
        inference = start_inference(InferenceConfig(**common, device="cpu", calibration_seconds=0))
        opened.callback(inference.stop)
        config = QueryConfig(**common, catalog=catalog.address, trainer=trainer.address, inference=inference.address)
        query = start_query(config)
        opened.callback(query.stop)
        servers = {"catalog": catalog, "trainer": trainer, "inference": inference, "query": query}
        addresses = {service: server.address for service, server in servers.items()}
        yield Installation(addresses, config.folders, opened)
