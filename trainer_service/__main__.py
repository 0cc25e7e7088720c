"""Starts trainer_service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache, partial

from thanosql.clients import CatalogClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import RunningServer, run_service, start_server
from thanosql.rpc.telemetry import find_tracing
from thanosql.v1.trainer_pb2_grpc import add_TrainerServiceServicer_to_server
from trainer_service.bases.base_models import BaseModels
from trainer_service.bases.hub import Hub
from trainer_service.config import TrainerConfig
from trainer_service.datasets.datasets import Datasets
from trainer_service.jobs.worker import Worker
from trainer_service.monitoring import trainer_metrics
from trainer_service.servicer import TrainerServicer


def start(config: TrainerConfig) -> RunningServer:
    """Serves, and begins to look for jobs; returns at once, whether the catalog is there yet or not."""
    channel = open_channel(config.catalog, config.token, find_tracing(config))
    catalog = CatalogClient(channel, config.catalog)
    hub = Hub(config.hub_timeout)
    bases = BaseModels(config.workspace, hub, strict=config.strict_base_models)

    @cache
    def find_datasets(workspace: str) -> Datasets:
        here = config.of(workspace)
        return Datasets(here.workspace, here.state / "downloads", hub, clock=time.monotonic)

    worker = Worker(config, catalog, bases)
    servicer = TrainerServicer(config, catalog, bases, worker, find_datasets)
    services = {"thanosql.v1.TrainerService": partial(add_TrainerServiceServicer_to_server, servicer)}
    metrics = trainer_metrics(worker.figures, worker.look)
    server = start_server(config, services, threads=64, on_stop=(worker.stop, channel.close), metrics=[metrics])
    worker.start()
    return server


def main(arguments: Sequence[str] | None = None) -> None:
    """The service as a process of its own."""
    run_service(TrainerConfig, start, arguments)


if __name__ == "__main__":
    main()
