"""The four services as processes that send traces, log as JSON and serve metrics, each on ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import thanosql
from thanosql import Session

TOKEN = "the installation's secret"
SERVICES = ("catalog", "trainer", "inference", "query")
STARTS_WITHIN = 120.0


class ServiceProcess:
    """A service as a process, whose log goes to a file."""

    def __init__(self, service: str, folder: Path, settings: dict[str, str], *options: str) -> None:
        self.service = service
        self._log = folder / f"{service}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("THANOSQL_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"{service}_service", "--port", "0", *options],
                env={**environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    @property
    def address(self) -> str:
        """host:port, once it listens."""
        return self._wait_for("listening on ")

    @property
    def metrics(self) -> str:
        """The page for Prometheus, as it is now."""
        with urllib.request.urlopen(self._wait_for("metrics at "), timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def stop(self) -> None:
        """Ends it, within its grace."""
        self.process.terminate()

    def join(self) -> None:
        """Returns when it has ended."""
        self.process.wait(30)

    def _wait_for(self, beginning: str) -> str:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            text = self._log.read_text("utf-8", "replace")
            whole = text[: text.rfind("\n") + 1].splitlines()
            assert self.process.poll() is None, f"{self.service}_service has ended:\n{text}"
            for line in whole:
                message: str = json.loads(line)["message"]
                if message.startswith(beginning):
                    return message.removeprefix(beginning)
            time.sleep(0.05)
        raise AssertionError(f"{self.service}_service said nothing that begins with {beginning!r}")


@dataclass(frozen=True)
class Installation:
    """Four services that run."""

    services: dict[str, ServiceProcess]
    session: Session
    workspace: Path

    def metrics(self) -> dict[str, str]:
        """The pages of all services."""
        return {name: service.metrics for name, service in self.services.items()}


@contextmanager
def installed(folder: Path, workspace: Path, endpoint: str = "", options: Sequence[str] = ()) -> Iterator[Installation]:
    """Four services over a workspace, as long as the block runs; and a session with them.

    Args:
        folder: For their state and logs.
        workspace: The users' files.
        endpoint: Of an OTLP collector.
        options: Of all services.
    """
    settings = {
        "THANOSQL_INFERENCE_CALIBRATION_SECONDS": "0",
        "THANOSQL_TRAINER_THREADS": "1",
        "THANOSQL_TOKEN": TOKEN,
        "THANOSQL_WORKSPACE": str(workspace),
        "THANOSQL_STATE": str(folder / "state"),
        "THANOSQL_LOG_FORMAT": "json",
        "THANOSQL_METRICS_PORT": "0",
        "THANOSQL_OTLP_ENDPOINT": endpoint,
        "THANOSQL_GRACE": "2",
        # Spans are sent as soon as may be: a test waits for them.
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    services: dict[str, ServiceProcess] = {}
    with ExitStack() as stack:
        for name in ("catalog", "inference"):
            services[name] = ServiceProcess(name, folder, settings, *options)
            stack.callback(services[name].join)
            stack.callback(services[name].stop)
        catalog = services["catalog"].address
        services["trainer"] = ServiceProcess("trainer", folder, settings, "--catalog", catalog, *options)
        stack.callback(services["trainer"].join)
        stack.callback(services["trainer"].stop)
        peers = ["--catalog", catalog, "--inference", services["inference"].address]
        peers += ["--trainer", services["trainer"].address]
        services["query"] = ServiceProcess("query", folder, settings, *peers, *options)
        stack.callback(services["query"].join)
        stack.callback(services["query"].stop)
        session = stack.enter_context(thanosql.connect(services["query"].address, token=TOKEN))
        yield Installation(services, session, workspace)
