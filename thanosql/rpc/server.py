"""Starts and stops a gRPC server: health, reflection, token, errors, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from thanosql.configuration import ServiceConfig, parse_arguments
from thanosql.errors import ThanoSQLError
from thanosql.freed_memory import bound_arenas, memory_given_back
from thanosql.monitoring.calls import CallFigures
from thanosql.monitoring.exposition import MetricsServer
from thanosql.monitoring.families import Metrics
from thanosql.monitoring.process import process_metrics
from thanosql.rpc.calls import Audit, Authenticate, authenticate_peers
from thanosql.rpc.channel import MAX_MESSAGE_BYTES
from thanosql.rpc.descriptors import Descriptors
from thanosql.rpc.health import AsyncioHealth, HealthStates, ThreadedHealth
from thanosql.rpc.interceptors import AsyncioInterceptor, ThreadedInterceptor
from thanosql.rpc.logs import configure_logging
from thanosql.rpc.port import Port
from thanosql.rpc.telemetry import find_tracing, hold_tracing
from thanosql.rpc.tls import ServerCertificate

log = logging.getLogger(__name__)

Registration = Callable[[Any], None]
"""Adds a servicer to a server: `partial(add_CatalogServiceServicer_to_server, servicer)`."""

Actions = Sequence[Callable[[], None]]

C = TypeVar("C", bound=ServiceConfig)

HEALTH: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

REFUSE_FOR = 0.05
"""Seconds in which new calls are refused with a message, before gRPC stops listening and may drop one in between."""
TERMINATE_WITHIN = 5.0
"""Seconds that calls have after the grace to end as unavailable, with a message, before gRPC cuts them off."""


class RunningServer(Protocol):
    """A server that takes calls."""

    address: str
    """host:port"""
    port: int
    metrics_port: int
    """Of the page for Prometheus; 0: there is none."""

    def stop(self, grace: float | None = None) -> None:
        """Takes no new calls, lets running ones end within `grace` seconds, and frees everything."""

    def wait(self) -> None:
        """Returns when the server has stopped."""


def start_server(
    config: ServiceConfig,
    services: Mapping[str, Registration],
    *,
    threads: int = 16,
    authenticate: Authenticate | None = None,
    audit: Audit | None = None,
    certificate: ServerCertificate | None = None,
    largest_message: int = MAX_MESSAGE_BYTES,
    health: HealthStates | None = None,
    at_grace_end: Actions = (),
    on_stop: Actions = (),
    metrics: Sequence[Metrics] = (),
) -> RunningServer:
    """Serves in a pool of `threads`.

    Args:
        config: Where to listen, the token, the grace.
        services: By name, how each adds itself to the server.
        threads: Calls that are answered at once.
        authenticate: Whom a call is made for; left out: other services are believed, who know the secret.
        audit: Writes each call down.
        certificate: Where the port has TLS.
        largest_message: Bytes of the largest message that is taken.
        health: States that the service wants to set itself, beside those of the process and its services.
        at_grace_end: What ends calls that wait for something and outlast the grace; it should raise `Unavailable` in
            them. What is sent after it ends as unavailable by itself.
        on_stop: What runs, in order, when the calls have ended.
        metrics: What stands on the page for Prometheus, beside the calls and the process.

    Raises:
        Unavailable: a port is taken.
    """
    authenticate = authenticate or authenticate_peers(config.service, config.token)
    health = health or HealthStates()
    port = Port(config, certificate, largest_message)
    return _ThreadedServer(config, services, threads, authenticate, audit, port, health, at_grace_end, on_stop, metrics)


def start_aio_server(
    config: ServiceConfig,
    services: Mapping[str, Registration],
    *,
    health: HealthStates | None = None,
    descriptors: Descriptors | None = None,
    at_grace_end: Actions = (),
    on_stop: Actions = (),
    metrics: Sequence[Metrics] = (),
) -> RunningServer:
    """Like `start_server`, on an asyncio event loop in a thread of its own; calls that wait are ended without help.

    Args:
        config: Where to listen, the token, the grace.
        services: By name, how each adds itself to the server.
        health: States that the service wants to set itself, beside those of the process and its services.
        descriptors: Where reflection finds the services' messages; left out: in the process's pool.
        at_grace_end: What else has to be ended when the grace is over.
        on_stop: What runs, in order, when the calls have ended.
        metrics: What stands on the page for Prometheus, beside the calls and the process.

    Raises:
        Unavailable: a port is taken.
    """
    return _AsyncioServer(config, services, health or HealthStates(), descriptors, at_grace_end, on_stop, metrics)


def run_service(
    config_type: type[C], start: Callable[[C], RunningServer], arguments: Sequence[str] | None = None
) -> None:
    """The main function of a service: reads the configuration, serves, drains on SIGTERM or Ctrl-C.

    A second signal ends the process at once.
    """
    config = parse_arguments(config_type, arguments, f"thanosql serve {config_type.service}")
    bound_arenas()
    try:
        configure_logging(config)
        server = start(config)
    except ThanoSQLError as error:
        raise SystemExit(f"{config.service}_service cannot start: {error}") from error
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            log.warning("ending at once, by a second signal")
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("listening on %s", server.address)
    with memory_given_back():
        stopping.wait()
    log.info("stopping: running calls may take up to %g s", config.grace)
    server.stop()
    log.info("stopped")


def _reflected(services: Mapping[str, Registration]) -> list[str]:
    return [*services, HEALTH, reflection.SERVICE_NAME]


def _log_termination(calls: int, grace: float) -> None:
    if calls:
        log.warning("%d calls were not done within %g s: they are ended as unavailable", calls, grace)


class _MetricsPage:
    """The page for Prometheus, where a port is given for it."""

    def __init__(self, config: ServiceConfig, metrics: Sequence[Metrics]) -> None:
        self.port = 0
        self.figures: CallFigures | None = None
        self._server: MetricsServer | None = None
        if config.metrics_port is not None:
            self.figures = CallFigures()
            pages = (self.figures.metrics, *metrics, process_metrics())
            self._server = MetricsServer(config.service, config.host, config.metrics_port, pages)
            self.port = self._server.port

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class _ThreadedServer:
    def __init__(
        self,
        config: ServiceConfig,
        services: Mapping[str, Registration],
        threads: int,
        authenticate: Authenticate,
        audit: Audit | None,
        port: Port,
        health: HealthStates,
        at_grace_end: Actions,
        on_stop: Actions,
        metrics: Sequence[Metrics],
    ) -> None:
        self._health, self._grace, self._at_grace_end, self._on_stop = health, config.grace, at_grace_end, on_stop
        self._page = _MetricsPage(config, metrics)
        self.metrics_port = self._page.port
        self._let_tracing_go = hold_tracing(config)
        tracing, figures = find_tracing(config), self._page.figures
        self._calls = ThreadedInterceptor(config.service, authenticate, tracing, figures, audit)
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix=f"{config.service}-call"),
            interceptors=[self._calls],
            options=port.options,
        )
        for register in services.values():
            register(self._server)
        self._checks = ThreadedHealth(health)
        health_pb2_grpc.add_HealthServicer_to_server(self._checks, self._server)
        reflection.enable_server_reflection(_reflected(services), self._server)
        try:
            self.port = port.bind(self._server)
        except BaseException:
            self._let_tracing_go()
            self._page.close()
            raise
        self.address = f"{config.host}:{self.port}"
        self._server.start()
        for name in ("", *services):
            health.set(name, True)
        self._stopped = threading.Event()
        self._stopping = threading.Lock()

    def stop(self, grace: float | None = None) -> None:
        grace = self._grace if grace is None else grace
        with self._stopping:
            if self._stopped.is_set():
                return
            self._health.end()
            self._calls.drain()
            time.sleep(min(grace, REFUSE_FOR))
            ended = self._server.stop(grace + TERMINATE_WITHIN)
            if not ended.wait(grace):
                _log_termination(self._calls.running, grace)
                self._calls.terminate()
                for action in self._at_grace_end:
                    action()
                ended.wait()
            self._checks.close()
            self._page.close()
            for action in self._on_stop:
                action()
            self._let_tracing_go()
            self._stopped.set()

    def wait(self) -> None:
        self._stopped.wait()


class _AsyncioServer:
    def __init__(
        self,
        config: ServiceConfig,
        services: Mapping[str, Registration],
        health: HealthStates,
        descriptors: Descriptors | None,
        at_grace_end: Actions,
        on_stop: Actions,
        metrics: Sequence[Metrics],
    ) -> None:
        self._config, self._services, self._health, self._descriptors = config, services, health, descriptors
        self._at_grace_end, self._on_stop = at_grace_end, on_stop
        self._page = _MetricsPage(config, metrics)
        self.metrics_port = self._page.port
        self._let_tracing_go = hold_tracing(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"{config.service}-loop", daemon=True)
        self._thread.start()
        self._stopped = threading.Event()
        self._stopping = threading.Lock()
        try:
            self.port = self._run(self._start())
        except BaseException:
            self._end_loop()
            self._let_tracing_go()
            self._page.close()
            raise
        self.address = f"{config.host}:{self.port}"

    def stop(self, grace: float | None = None) -> None:
        with self._stopping:
            if self._stopped.is_set():
                return
            self._health.end()
            self._run(self._stop(self._config.grace if grace is None else grace))
            self._page.close()
            for action in self._on_stop:
                action()
            self._end_loop()
            self._let_tracing_go()
            self._stopped.set()

    def wait(self) -> None:
        self._stopped.wait()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> int:
        authenticate = authenticate_peers(self._config.service, self._config.token)
        tracing = find_tracing(self._config)
        self._calls = AsyncioInterceptor(self._config.service, authenticate, tracing, self._page.figures)
        port = Port(self._config)
        self._server = grpc.aio.server(interceptors=[self._calls], options=port.options)
        for register in self._services.values():
            register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(AsyncioHealth(self._health), self._server)
        reflection.enable_server_reflection(_reflected(self._services), self._server, self._descriptors)
        number = port.bind(self._server)
        await self._server.start()
        for name in ("", *self._services):
            self._health.set(name, True)
        return number

    async def _stop(self, grace: float) -> None:
        self._calls.drain()
        await asyncio.sleep(min(grace, REFUSE_FOR))
        ending = asyncio.ensure_future(self._server.stop(grace + TERMINATE_WITHIN))
        ended, _ = await asyncio.wait({ending}, timeout=grace)
        if not ended:
            _log_termination(self._calls.running, grace)
            for action in self._at_grace_end:
                await asyncio.to_thread(action)
            self._calls.terminate()
            await ending

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
