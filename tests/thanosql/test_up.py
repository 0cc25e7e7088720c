"""`thanosql up`: four processes that start, serve and stop together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

import thanosql
from thanosql.up import PORTS

START_WITHIN = 60


def free_ports() -> list[str]:
    """Options that give every service a port that is free now."""
    with ExitStack() as sockets:
        options = []
        for service in PORTS:
            free = sockets.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            options += [f"--{service}-port", str(free.getsockname()[1])]
        return options


class Up:
    """A running `thanosql up`."""

    def __init__(self, workspace: Path) -> None:
        self.log = workspace / "up.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "thanosql.cli", "up", *free_ports()],
                cwd=workspace,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.note = workspace / ".thanosql" / "local.json"

    def wait_until_ready(self) -> list[psutil.Process]:
        """The services' processes."""
        deadline = time.monotonic() + START_WITHIN
        while "\nready" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        children = psutil.Process(self.process.pid).children()
        assert len(children) == 4
        return children


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def start() -> Up:
        started.append(Up(tmp_path))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(30)


def test_the_services_serve_and_stop_together(start_up, tmp_path):
    up = start_up()
    children = up.wait_until_ready()
    with thanosql.connect(workspace=tmp_path) as session:
        assert session.where.endswith(f"run by process {up.process.pid}")
        assert list(session.sql("SELECT 1 AS one")) == [(1,)]
    running = json.loads(up.note.read_text())
    with thanosql.connect(running["address"], running["token"]) as session:
        assert list(session.sql("SELECT 1 AS one")) == [(1,)]
    assert all(running["token"] not in " ".join(child.cmdline()) for child in children)

    second = subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "up"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"already run by process {up.process.pid}" in second.stderr

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert not any(child.is_running() for child in children)
    assert not up.note.exists()
    log = up.log.read_text()
    assert running["token"] not in log
    assert str(up.note) in log
    assert "Traceback" not in log
    ended = [line.split("]")[0][1:] for line in log.splitlines() if line.endswith(" stopped") and line[0] == "["]
    assert ended == ["query", "inference", "trainer", "catalog"]


def test_one_service_that_dies_stops_the_others(start_up):
    up = start_up()
    children = up.wait_until_ready()
    (inference,) = (child for child in children if "inference_service" in child.cmdline())
    inference.kill()
    assert up.process.wait(30) == 1
    assert "inference_service has ended by itself (signal SIGKILL)" in up.log.read_text()
    assert not any(child.is_running() for child in children)


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells a process of its parent's death on Linux only")
def test_no_service_outlives_a_parent_that_was_killed(start_up):
    up = start_up()
    children = up.wait_until_ready()
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "thanosql.cli", "up", *free_ports(), "--catalog-port", str(port)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert run.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in run.stdout
    assert "catalog_service did not start (exit code 1)" in run.stderr
    assert "--catalog-port" in run.stderr
    assert not (tmp_path / ".thanosql" / "local.json").exists()
