"""Starts inference_service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from inference_service.config import InferenceConfig
from inference_service.models.health import ModelHealth
from inference_service.models.models import Models
from inference_service.monitoring.metrics import Observation, model_metrics
from inference_service.oip_servicer import OpenInferenceServicer
from inference_service.servicer import InferenceServicer
from inference_service.speech.transcription import Transcribers
from thanosql.oip import grpc_service_pb2
from thanosql.oip.grpc_service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from thanosql.rpc.descriptors import Descriptors
from thanosql.rpc.health import HealthStates
from thanosql.rpc.server import RunningServer, run_service, start_aio_server
from thanosql.rpc.telemetry import find_tracing, hold_tracing
from thanosql.v1.inference_pb2_grpc import add_InferenceServiceServicer_to_server
from thanosql.workspace import DEFAULT_WORKSPACE

SERVICE = "thanosql.v1.InferenceService"
OPEN_INFERENCE = "inference.GRPCInferenceService"


def start(config: InferenceConfig) -> RunningServer:
    """Wires the service and starts serving; no model is loaded before it is asked for."""
    with ExitStack() as undo:
        undo.callback(hold_tracing(config))
        health = HealthStates()
        models = Models(config, on_change=ModelHealth(health).change, tracer=find_tracing(config))
        undo.callback(models.close)
        readers = ThreadPoolExecutor(config.decode_threads, thread_name_prefix="read-audio")
        undo.callback(readers.shutdown)
        transcribers = Transcribers(config, readers)
        own = InferenceServicer(config, models, readers, transcribers)
        open_inference = OpenInferenceServicer(config, models, transcribers, is_ready=partial(health.is_serving, ""))
        services = {
            SERVICE: partial(add_InferenceServiceServicer_to_server, own),
            OPEN_INFERENCE: partial(add_GRPCInferenceServiceServicer_to_server, open_inference),
        }
        opened = ExitStack()
        descriptors = Descriptors(grpc_service_pb2.DESCRIPTOR.pool)
        metrics = model_metrics(partial(_observe, models))
        server = start_aio_server(
            config, services, health=health, descriptors=descriptors, on_stop=[opened.close], metrics=[metrics]
        )
        models.preload()
        opened.push(undo.pop_all())
    return server


def _observe(models: Models) -> Iterator[Observation]:
    """Every version that is or was loaded, for Prometheus; in other workspaces than the first: `workspace/name`."""
    for here in models.each_known():
        reports = here.reports
        for each in reports.statistics():
            version = (each.model, each.version)
            prefix = "" if here.workspace == DEFAULT_WORKSPACE else f"{here.workspace}/"
            shown = replace(each, model=prefix + each.model)
            yield Observation(shown, reports.figures(*version), reports.waiting(*version))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(InferenceConfig, start, arguments)


if __name__ == "__main__":
    main()
