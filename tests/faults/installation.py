"""The four services as processes of their own, each behind a proxy, to be killed and started again in their place."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import thanosql
from tests.faults.proxy import Proxy
from thanosql import Session
from thanosql.clients import CatalogClient, InferenceClient
from thanosql.rpc.channel import open_channel

TOKEN = "of the tests only"
SERVICES = ("catalog", "trainer", "inference", "query")
NEEDS = {"catalog": (), "trainer": ("catalog",), "inference": (), "query": ("catalog", "trainer", "inference")}
STARTS_WITHIN = 120.0
"""Seconds of a very busy machine."""
LEASE_SECONDS = 3.0

SETTINGS: Mapping[str, Sequence[str]] = {
    "catalog": (),
    "trainer": ("--lease-seconds", str(LEASE_SECONDS), "--threads", "1", "--device", "cpu"),
    "inference": ("--device", "cpu", "--calibration-seconds", "0", "--engine", "onnxruntime"),
    "query": (),
}


class Service:
    """One service: its process, which comes and goes, at a port that stays."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str], port: int) -> None:
        self.name, self.port = name, port
        self._command, self._log, self._environment = command, log, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begins to start the process."""
        log: IO[bytes]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_healthy(self) -> None:
        """Returns when the service says that it takes calls."""
        deadline = time.monotonic() + STARTS_WITHIN
        with grpc.insecure_channel(
            f"127.0.0.1:{self.port}", options=[("grpc.initial_reconnect_backoff_ms", 50)]
        ) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                assert self._process is not None
                assert self._process.poll() is None, f"{self.name} ended: {self.last_words()}"
                with suppress(grpc.RpcError):
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                assert time.monotonic() < deadline, f"{self.name} is not healthy: {self.last_words()}"
                time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends the process as the system does when memory runs out; returns when it has gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Asks the process to end, and returns when it has."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text("utf-8", "replace")[-3000:]


class Installation:
    """The services of one workspace and state folder."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Sequence[str]] = SETTINGS,
    ) -> None:
        self.workspace, self.state = folder / "workspace", folder / "state"
        self.temporary = {name: folder / "tmp" / name for name in SERVICES}
        for each in (self.workspace, self.state, *self.temporary.values()):
            each.mkdir(parents=True, exist_ok=True)
        ports = find_ports(2 * len(SERVICES))
        self._fronts = dict(zip(SERVICES, ports[len(SERVICES) :], strict=True))
        """Ports of the proxies."""
        self.services: dict[str, Service] = {}
        for name, port in zip(SERVICES, ports, strict=False):
            command = [sys.executable, "-m", "thanosql.child", str(os.getpid()), f"{name}_service"]
            command += ["--port", str(port), "--workspace", str(self.workspace), "--state", str(self.state)]
            for other in NEEDS[name]:
                command += [f"--{other}", f"127.0.0.1:{self._fronts[other]}"]
            own = {"THANOSQL_TOKEN": TOKEN, "TMPDIR": str(self.temporary[name]), **(environment or {})}
            command += settings.get(name, ())
            self.services[name] = Service(name, command, folder / f"{name}.log", own, port)
        self.proxies = {name: Proxy(self._fronts[name], self.services[name].port) for name in SERVICES}
        self._sessions: list[Session] = []
        self._channels: list[grpc.Channel] = []

    def start(self) -> None:
        """Starts all services, and returns when they are healthy."""
        for service in self.services.values():
            service.start()
        for service in self.services.values():
            service.wait_until_healthy()

    def open_session(self) -> Session:
        """A session as a user has it; it is closed with the installation."""
        session = thanosql.connect(f"127.0.0.1:{self._fronts['query']}", TOKEN)
        self._sessions.append(session)
        return session

    def ask_catalog(self) -> CatalogClient:
        """A client that passes no proxy."""
        return CatalogClient(self._open("catalog"), "catalog")

    def ask_inference(self) -> InferenceClient:
        """A client that passes no proxy."""
        return InferenceClient(self._open("inference"), "inference")

    def close(self) -> None:
        """Ends everything."""
        for session in self._sessions:
            session.close()
        for channel in self._channels:
            channel.close()
        for service in self.services.values():
            service.kill()
        for proxy in self.proxies.values():
            proxy.close()

    def _open(self, name: str) -> grpc.Channel:
        channel = open_channel(f"127.0.0.1:{self.services[name].port}", TOKEN)
        self._channels.append(channel)
        return channel


def find_ports(count: int) -> list[int]:
    """Free ports below those that the system gives away by itself: nobody takes one while its service is down."""
    found: list[int] = []
    chooser = random.Random(os.getpid() ^ time.monotonic_ns())
    while len(found) < count:
        port = chooser.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found
