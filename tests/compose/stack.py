"""The stack of compose.yaml at work: started, restarted, killed and looked at."""

from __future__ import annotations

import json
import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import thanosql
from tests.compose.engine import Engine
from tests.compose.images import VERSION
from thanosql import Session, ThanoSQLError
from thanosql.commands.secrets import make_secrets

SERVICES = ("postgres", "catalog", "trainer", "inference", "query")
STARTS_WITHIN = 300.0
"""Seconds in which every container must be healthy."""

KILL = "kill -9 $(cat /proc/1/task/1/children)"
"""Kills the service, and not the small init above it, which then ends the container as a crash would."""


@dataclass(frozen=True)
class Stack:
    """One project of compose."""

    engine: Engine
    compose: list[str]
    checkout: Path
    secrets: Path
    port: int
    """That clients reach on loopback."""
    http_port: int
    """That clients of the gateway reach, where it runs."""
    postgres_image: str

    def call(self, *arguments: str, check: bool = True) -> str:
        """Runs compose; what it printed."""
        command = [*self.compose, *arguments]
        return self.engine.run(command, check=check, extra=self.variables(), folder=self.checkout).stdout

    def script(self, lines: str, folder: Path) -> None:
        """Runs a shell script in which `docker compose` is compose, $here is `folder`, as an operator would type it."""
        lines = f"set -e\nhere={shlex.quote(str(folder))}\n" + lines.replace("docker compose", shlex.join(self.compose))
        self.engine.run(["sh", "-c", lines], extra=self.variables(), folder=self.checkout)

    def variables(self) -> dict[str, str]:
        """What the file .env would hold."""
        cores = os.cpu_count() or 1
        return {
            "COMPOSE_PROJECT_NAME": f"thanosql-test-{self.port}",
            "THANOSQL_LISTEN": f"127.0.0.1:{self.port}",
            "THANOSQL_HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "THANOSQL_SECRETS": str(self.secrets),
            "THANOSQL_VERSION": VERSION,
            "POSTGRES_IMAGE": self.postgres_image,
            "TRAINER_CPUS": str(min(cores, 2)),
            "INFERENCE_CPUS": str(min(cores, 2)),
        }

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.call("ps", "--all", "--quiet", service).split()[0]

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        (found,) = json.loads(self.engine.docker("inspect", self.container(service)).stdout)
        return dict(found)

    def execute(self, service: str, script: str, *, check: bool = True) -> str:
        """Runs a shell script in a service's container; what it printed."""
        return self.engine.docker("exec", self.container(service), "sh", "-c", script, check=check).stdout

    def start(self) -> float:
        """Starts what is not running; seconds until all are healthy."""
        began = time.monotonic()
        self.call("up", "--detach", "--no-build")
        self.wait_until_healthy()
        return time.monotonic() - began

    def wait_until_healthy(self, services: Sequence[str] = SERVICES) -> None:
        """Returns when the containers are.

        Raises:
            AssertionError: one is not in time; with the end of its log.
        """
        deadline = time.monotonic() + STARTS_WITHIN
        for service in services:
            while (health := self.inspect(service)["State"]["Health"]["Status"]) != "healthy":
                log = "" if time.monotonic() < deadline else self.call("logs", "--tail", "30", service)
                assert time.monotonic() < deadline, f"{service} is {health}:\n{log}"
                time.sleep(0.2)

    def kill(self, service: str) -> None:
        """Ends a service's process as a crash would."""
        self.execute(service, KILL, check=False)

    def restart(self, service: str) -> None:
        """Stops and starts a service's container."""
        self.call("restart", service)

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """The HTTP gateway beside the other containers; its address."""
        files = ("--file", "compose.yaml", "--file", "compose.http.yaml")
        both = replace(self, compose=[*self.compose, *files])
        both.call("up", "--detach", "--no-build", "gateway")
        try:
            both.wait_until_healthy(["gateway"])
            yield f"http://127.0.0.1:{self.http_port}"
        finally:
            both.call("rm", "--stop", "--force", "gateway")

    def connect(self) -> Session:
        """A session from outside the containers."""
        return thanosql.connect(f"127.0.0.1:{self.port}", token=self.token)

    @property
    def token(self) -> str:
        """The administrator's."""
        return (self.secrets / "token").read_text("utf-8")


def find_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def make_stack(engine: Engine, compose: list[str], checkout: Path, folder: Path, postgres_image: str) -> Stack:
    """A stack that is not started yet, with new secrets."""
    make_secrets(folder / "secrets")
    return Stack(engine, compose, checkout, folder / "secrets", *find_ports(2), postgres_image)


def until_it_works(action: Callable[[], object], seconds: float = 120.0) -> float:
    """Tries again while our errors say that it does not work; the seconds that it took.

    Raises:
        ThanoSQLError: it did not work in time.
    """
    began = time.monotonic()
    while True:
        try:
            action()
            return time.monotonic() - began
        except ThanoSQLError:
            if time.monotonic() - began > seconds:
                raise
            time.sleep(0.1)
