"""Starts inference_service."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from inference_service.config import InferenceConfig
from inference_service.models import Models
from inference_service.servicer import InferenceServicer
from inference_service.transcription import Transcribers
from thanosql.rpc.server import RunningServer, run_service, start_aio_server
from thanosql.v1.inference_pb2_grpc import add_InferenceServiceServicer_to_server

SERVICE = "thanosql.v1.InferenceService"


def start(config: InferenceConfig) -> RunningServer:
    """Wires the service and starts serving; no model is loaded before it is asked for."""
    models = Models(config)
    readers = ThreadPoolExecutor(config.decode_threads, thread_name_prefix="read-audio")
    servicer = InferenceServicer(config, models, readers, Transcribers(config, readers))
    register = partial(add_InferenceServiceServicer_to_server, servicer)
    return start_aio_server(config, {SERVICE: register}, on_stop=(models.close, readers.shutdown))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(InferenceConfig, start, arguments)


if __name__ == "__main__":
    main()
