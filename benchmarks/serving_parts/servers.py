"""Starts a server as a process of its own, watches what it takes, and ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving_parts.report import tell
from serving_parts.speech import CHECKOUT

START_WITHIN = 90.0
NONE: Mapping[str, str] = {}


class Server:
    """A running server process with its children: CPU, resident memory now and at its peak."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid, self.port, self.address = process.pid, port, f"127.0.0.1:{port}"
        self._process = psutil.Process(process.pid)
        self.peak_megabytes = 0.0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def cpu_seconds(self) -> float:
        """So far, of all its processes."""
        times = [each.cpu_times() for each in self._find_family()]
        return sum(each.user + each.system for each in times)

    @property
    def megabytes(self) -> float:
        """Resident now, of all its processes."""
        return _resident(self._find_family())

    @property
    def own_megabytes(self) -> float:
        """Resident now, of the process itself."""
        return float(self._process.memory_info().rss / 2**20)

    def start_peak(self) -> float:
        """Begins a new peak; what the one so far was, in megabytes."""
        so_far, self.peak_megabytes = self.peak_megabytes, 0.0
        return so_far

    def end_watch(self) -> None:
        self._ended.set()
        self._watcher.join()

    def _find_family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _watch(self) -> None:
        """Notes the peak; looks for new children only now and then, since that reads all processes of the machine."""
        family, looks = list[psutil.Process](), 0
        while not self._ended.wait(0.05):
            try:
                if looks % 40 == 0:
                    family = self._find_family()
                self.peak_megabytes = max(self.peak_megabytes, _resident(family))
            except psutil.Error:  # one of them has ended
                looks = -1
            looks += 1


def _resident(family: Sequence[psutil.Process]) -> float:
    return sum(each.memory_info().rss for each in family) / 2**20


@contextmanager
def run_server(
    name: str,
    command: Callable[[int], Sequence[str]],
    is_ready: Callable[[int], bool],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server for as long as the block lasts; its messages are shown where the block fails.

    Args:
        name: For the messages.
        command: Gives the command line that makes it listen on a port.
        is_ready: Says whether the server on a port answers.
        environment: In place of this process's own.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(port), stdout=log, stderr=log, cwd=CHECKOUT, env=environment, start_new_session=True
        )
        try:
            until = time.monotonic() + START_WITHIN
            while not is_ready(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{name} did not start")
                time.sleep(0.1)
            server = Server(process, port)
            try:
                yield server
            finally:
                server.end_watch()
        except BaseException:
            log.seek(0)
            tell(f"the last messages of {name}:\n{log.read().decode('utf-8', 'replace')[-3000:]}")
            raise
        finally:
            _end(process)


@contextmanager
def run_service(
    state: Path, workspace: Path, settings: Mapping[str, object] | None = None, *, variables: Mapping[str, str] = NONE
) -> Iterator[Server]:
    """inference_service with these settings, in a process of its own; `variables` come on top of this one's."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (settings or {}).items()]

    def command(port: int) -> list[str]:
        given = [f"--port={port}", f"--state={state}", f"--workspace={workspace}", "--grace=2", *options]
        return [sys.executable, "-m", "inference_service", *given]

    own = {name: value for name, value in os.environ.items() if not name.startswith("THANOSQL_")}
    with run_server("inference_service", command, is_healthy, environment={**own, **variables}) as server:
        yield server


def is_healthy(port: int) -> bool:
    """Whether a gRPC server says so itself."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and its children, each by its id."""
    family = []
    try:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    except (psutil.Error, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    for child in family:
        try:
            child.kill()
        except psutil.Error:
            continue
