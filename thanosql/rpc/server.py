"""Starts and stops a gRPC server: health, reflection, token, errors, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from thanosql.configuration import ServiceConfig, parse_arguments
from thanosql.errors import ThanoSQLError, Unavailable
from thanosql.rpc.channel import OPTIONS
from thanosql.rpc.interceptors import AsyncioInterceptor, ThreadedInterceptor

log = logging.getLogger(__name__)

Registration = Callable[[Any], None]
"""Adds a servicer to a server: `partial(add_CatalogServiceServicer_to_server, servicer)`."""

C = TypeVar("C", bound=ServiceConfig)

# Two servers must never share a port in silence.
_SERVER_OPTIONS = (*OPTIONS, ("grpc.so_reuseport", 0), ("grpc.keepalive_permit_without_calls", 1))


class RunningServer(Protocol):
    """A server that takes calls."""

    address: str
    """host:port"""
    port: int

    def stop(self, grace: float | None = None) -> None:
        """Takes no new calls, lets running ones end within `grace` seconds, and frees everything."""

    def wait(self) -> None:
        """Returns when the server has stopped."""


def start_server(
    config: ServiceConfig,
    services: Mapping[str, Registration],
    *,
    threads: int = 16,
    on_stop: Sequence[Callable[[], None]] = (),
) -> RunningServer:
    """Serves in a pool of `threads`; `on_stop` runs, in order, when the calls have ended.

    Raises:
        Unavailable: the port is taken.
    """
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix=f"{config.service}-call"),
        interceptors=[ThreadedInterceptor(config.token)],
        options=_SERVER_OPTIONS,
    )
    for register in services.values():
        register(server)
    states = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    reflection.enable_server_reflection(_reflected(services), server)
    port = _bind(server, config)
    server.start()
    for name in ("", *services):
        states.set(name, health_pb2.HealthCheckResponse.SERVING)
    return _ThreadedServer(server, states, config, port, on_stop)


def start_aio_server(
    config: ServiceConfig, services: Mapping[str, Registration], *, on_stop: Sequence[Callable[[], None]] = ()
) -> RunningServer:
    """Like `start_server`, on an asyncio event loop in a thread of its own.

    Raises:
        Unavailable: the port is taken.
    """
    return _AsyncioServer(config, services, on_stop)


def run_service(
    config_type: type[C], start: Callable[[C], RunningServer], arguments: Sequence[str] | None = None
) -> None:
    """The main function of a service: reads the configuration, serves, drains on SIGTERM or Ctrl-C."""
    config = parse_arguments(config_type, arguments, f"thanosql serve {config_type.service}")
    logging.basicConfig(level=config.log_level, format=f"%(asctime)s {config.service} %(levelname)s %(message)s")
    try:
        server = start(config)
    except ThanoSQLError as error:
        raise SystemExit(f"{config.service}_service cannot start: {error}") from error
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    log.info("listening on %s", server.address)
    stopping.wait()
    log.info("stopping: running calls may take up to %g s", config.grace)
    server.stop()
    log.info("stopped")


def _reflected(services: Mapping[str, Registration]) -> list[str]:
    return [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]


def _bind(server: Any, config: ServiceConfig) -> int:
    where = f"{config.host}:{config.port}"
    try:
        port: int = server.add_insecure_port(where)
    except RuntimeError as error:
        raise Unavailable(
            f"{config.service}_service cannot listen on {where}: {error}",
            hint="Is another server on that port? Choose another with --port, or 0 for any free one.",
        ) from error
    return port


class _ThreadedServer:
    def __init__(
        self,
        server: grpc.Server,
        states: health.HealthServicer,
        config: ServiceConfig,
        port: int,
        on_stop: Sequence[Callable[[], None]],
    ) -> None:
        self._server, self._states, self._grace, self._on_stop = server, states, config.grace, on_stop
        self.port, self.address = port, f"{config.host}:{port}"
        self._stopped = threading.Event()
        self._stopping = threading.Lock()

    def stop(self, grace: float | None = None) -> None:
        with self._stopping:
            if self._stopped.is_set():
                return
            self._states.enter_graceful_shutdown()
            self._server.stop(self._grace if grace is None else grace).wait()
            for action in self._on_stop:
                action()
            self._stopped.set()

    def wait(self) -> None:
        self._stopped.wait()


class _AsyncioServer:
    def __init__(
        self, config: ServiceConfig, services: Mapping[str, Registration], on_stop: Sequence[Callable[[], None]]
    ) -> None:
        self._config, self._services, self._on_stop = config, services, on_stop
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"{config.service}-loop", daemon=True)
        self._thread.start()
        self._stopped = threading.Event()
        self._stopping = threading.Lock()
        try:
            self.port = self._run(self._start())
        except BaseException:
            self._end_loop()
            raise
        self.address = f"{config.host}:{self.port}"

    def stop(self, grace: float | None = None) -> None:
        with self._stopping:
            if self._stopped.is_set():
                return
            self._run(self._stop(self._config.grace if grace is None else grace))
            for action in self._on_stop:
                action()
            self._end_loop()
            self._stopped.set()

    def wait(self) -> None:
        self._stopped.wait()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> int:
        self._server = grpc.aio.server(interceptors=[AsyncioInterceptor(self._config.token)], options=_SERVER_OPTIONS)
        for register in self._services.values():
            register(self._server)
        self._states = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._states, self._server)
        reflection.enable_server_reflection(_reflected(self._services), self._server)
        port = _bind(self._server, self._config)
        await self._server.start()
        for name in ("", *self._services):
            await self._states.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def _stop(self, grace: float) -> None:
        await self._states.enter_graceful_shutdown()
        await self._server.stop(grace)

    def _end_loop(self) -> None:
        async def finish() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._loop.shutdown_asyncgens()

        self._run(finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
