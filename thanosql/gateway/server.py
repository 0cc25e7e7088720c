"""Serves an application by uvicorn in a thread of its own: TLS, limits on connections, drain."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from thanosql.errors import Unavailable
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.edge import Edge
from thanosql.gateway.protocol import patient_for

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""So often the certificate's files are looked at."""
_SPARE_THREADS = 8
"""For what stops the work of others."""
_KEEP_ALIVE = 15
"""Seconds for which a connection without requests is kept."""


class HttpServer:
    """Takes requests from its making on.

    Args:
        config: Where to listen, and the certificate.
        app: What answers.
        on_stop: What runs, in order, when the requests have ended.

    Raises:
        Unavailable: the port is taken, or the certificate cannot be used.
    """

    metrics_port = 0

    def __init__(self, config: GatewayConfig, app: Edge, on_stop: Sequence[Callable[[], None]] = ()) -> None:
        self._config, self._app, self._on_stop = config, app, on_stop
        tls = _read_certificate(config)
        self._socket = _listen(config)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{config.host}:{self.port}"
        settings = uvicorn.Config(
            app,
            http=patient_for(config.header_seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            ssl_context_factory=(lambda *_: tls) if tls is not None else None,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        self._server = uvicorn.Server(settings)
        self._tls, self._stopped, self._stopping = tls, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="gateway-loop", daemon=True)
        self._thread.start()

    def stop(self, grace: float | None = None) -> None:
        """Takes no new requests, lets running ones end within `grace` seconds, and frees everything."""
        with self._stopping:
            if self._stopped.is_set():
                return
            self._app.is_stopping = True
            grace = self._config.grace if grace is None else grace
            self._server.config.timeout_graceful_shutdown = math.ceil(grace)
            self._server.should_exit = True
            self._thread.join()
            self._stopped.set()

    def wait(self) -> None:
        """Returns when the server has stopped."""
        self._stopped.wait()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        threads = ThreadPoolExecutor(2 * self._config.most_requests + _SPARE_THREADS, "gateway")
        asyncio.get_running_loop().set_default_executor(threads)
        watching = asyncio.ensure_future(self._watch_certificate()) if self._tls is not None else None
        await self._server.serve(sockets=[self._socket])
        if watching is not None:
            watching.cancel()
        # Before the loop waits for its threads: what they wait for ends with the channel.
        for action in self._on_stop:
            action()

    async def _watch_certificate(self) -> None:
        """Reads the certificate anew where its files have changed; connections that are open keep the old one."""
        assert self._tls is not None
        seen = _look(self._config)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (now := _look(self._config)) == seen:
                continue
            seen = now
            try:
                _load(self._tls, self._config)
                log.info("the certificate %s was read anew", self._config.tls_certificate)
            except (OSError, ValueError) as error:
                log.warning("the new certificate cannot be used, the old one goes on: %s", error)


def _listen(config: GatewayConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host.strip("[]"), config.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"the gateway cannot listen on {config.host}:{config.port}: {error.strerror or error}",
            hint="Is another server on that port? Choose another with --port, or 0 for any free one.",
        ) from error
    return listening


def _read_certificate(config: GatewayConfig) -> ssl.SSLContext | None:
    if config.tls_certificate is None and config.tls_key is None:
        return None
    if config.tls_certificate is None or config.tls_key is None:
        raise Unavailable("TLS needs a certificate and its key", hint="Give both --tls-certificate and --tls-key.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        _load(context, config)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        raise Unavailable(
            f"the certificate {config.tls_certificate} with the key {config.tls_key} cannot be used: {error}",
            hint="Give files in PEM that belong together: --tls-certificate with the whole chain, and --tls-key.",
        ) from error
    return context


def _load(context: ssl.SSLContext, config: GatewayConfig) -> None:
    assert config.tls_certificate is not None
    context.load_cert_chain(config.tls_certificate, config.tls_key, password=lambda: "")


def _look(config: GatewayConfig) -> tuple[tuple[int, int, int], ...]:
    """What tells that the files have changed."""
    return tuple(_look_at(file) for file in (config.tls_certificate, config.tls_key) if file is not None)


def _look_at(file: Path) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)
