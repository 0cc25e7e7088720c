"""An installation of its own for the soak: a workspace with the tutorial's speech, and four service processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from serving_parts.report import tell

from thanosql.running import Running, read_note
from thanosql.up import PORTS

CHECKOUT = Path(__file__).resolve().parents[2]
START_WITHIN = 180.0


@dataclass(frozen=True)
class Installation:
    """Services that run."""

    workspace: Path
    state: Path
    running: Running
    starting_seconds: float
    """From the command to all four being healthy."""
    processes: dict[str, psutil.Process]
    """By the name of the service."""


@contextmanager
def run_installation(folder: Path, tables: str = "", database: str = "") -> Iterator[Installation]:
    """Starts `thanosql up` on free ports, and ends it; its log is in `folder`.

    Args:
        folder: Where workspace and state are made.
        tables: Address of a PostgreSQL database for the users' tables; empty: DuckDB.
        database: The same for the metadata; empty: SQLite.
    """
    workspace, state = folder / "workspace", folder / "state"
    shutil.copytree(CHECKOUT / "tutorial_data", workspace / "tutorial_data")
    command = [sys.executable, "-m", "thanosql.cli", "up", "--workspace", str(workspace), "--state", str(state)]
    command += [f"--{service}-port={port}" for service, port in _free_ports().items()]
    environment = {**os.environ, "THANOSQL_LOG_FORMAT": "json"}
    environment |= {"THANOSQL_CATALOG_TABLES": tables} if tables else {}
    environment |= {"THANOSQL_CATALOG_DATABASE": database} if database else {}
    begin = time.perf_counter()
    with (folder / "log").open("w", encoding="utf-8") as log:
        up = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=workspace)
        try:
            while (running := read_note(state)) is None:
                if up.poll() is not None or time.perf_counter() - begin > START_WITHIN:
                    raise RuntimeError(f"the services did not start; see {folder / 'log'}")
                time.sleep(0.02)
            seconds = time.perf_counter() - begin
            tell(f"the services run after {seconds:.1f} s, at {running.address}")
            yield Installation(workspace, state, running, seconds, _services_of(up.pid))
        finally:
            up.send_signal(signal.SIGTERM)
            try:
                up.wait(60)
            except subprocess.TimeoutExpired:
                up.kill()
                up.wait()


def _services_of(pid: int) -> dict[str, psutil.Process]:
    found = {}
    for child in psutil.Process(pid).children():
        words = " ".join(child.cmdline())
        found |= {service: child for service in PORTS if f"{service}_service" in words}
    return found


def _free_ports() -> dict[str, int]:
    import socket

    sockets = {service: socket.create_server(("127.0.0.1", 0)) for service in PORTS}
    ports = {service: each.getsockname()[1] for service, each in sockets.items()}
    for each in sockets.values():
        each.close()
    return ports
