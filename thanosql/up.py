"""`thanosql up`: the four services, and the gateway, as processes of their own, started and stopped together."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from thanosql.commands.serve import PROGRAMS
from thanosql.errors import Unavailable
from thanosql.local import check_packages
from thanosql.running import Running, hold, read_note

PORTS = {"catalog": 8471, "trainer": 8472, "inference": 8473, "query": 8470}
"""The services in the order in which they need each other, with their usual ports."""
HOST = "127.0.0.1"
START_WITHIN = 60.0
"""Seconds in which every service must say that it is healthy."""
STOP_WITHIN = 15.0
"""Seconds after which a service that was asked to stop is killed."""


@dataclass
class Child:
    """A service's process."""

    service: str
    address: str
    process: subprocess.Popen[str]
    relay: threading.Thread
    """Copies its log to ours."""


class Stopped(Exception):
    """SIGTERM or Ctrl-C."""


def run(
    workspace: Path,
    state: Path,
    ports: Mapping[str, int],
    *,
    token: str = "",
    http_port: int | None = None,
    write: Callable[[str], None] = print,
) -> int:
    """Starts the services, and returns when they have ended: 0 after Ctrl-C or SIGTERM, 1 if one of them died.

    Args:
        workspace: Root of the paths in statements.
        state: Folder for tables and models.
        ports: Of the services.
        token: The installation's secret; empty: a new one.
        http_port: Of the HTTP gateway; None: it is not started.
        write: Takes the lines of the log.

    Raises:
        Unavailable: a service did not start, or another process runs the workspace's services.
        DataError: the state folder cannot be written.
    """
    check_packages()
    if http_port is not None and importlib.util.find_spec("uvicorn") is None:
        raise Unavailable(
            "the HTTP gateway needs packages that are not installed here",
            hint="pip install 'thanosql-speech[gateway]'.",
        )
    workspace, state = workspace.resolve(), state.resolve()
    held = hold(state)
    if held is None:
        running = read_note(state)
        where = f" by process {running.pid}, at {running.address}" if running else ""
        raise Unavailable(
            f"the services of {workspace} are already run{where}",
            hint="Join them with thanosql.connect() or thanosql shell in that folder, or end that process.",
        )
    token = token or secrets.token_urlsafe(32)
    children: list[Child] = []
    with _stopped_by_signals():
        try:
            for service in PORTS:
                children.append(_start(service, f"{HOST}:{ports[service]}", children, workspace, state, token, write))
                _wait_until_healthy(children[-1])
            query = children[-1]
            if http_port is not None:
                children.append(_start("gateway", f"{HOST}:{http_port}", children, workspace, state, token, write))
                _wait_until_ready(children[-1])
            held.announce(Running(query.address, token, str(workspace), os.getpid(), "the output of thanosql up"))
            write(_how_to_connect(query.address, workspace, state, http_port))
            died = _wait_until_one_ends(children)
            write(f"{PROGRAMS[died.service]} has ended by itself ({_ending(died)}): stopping the others")
            return 1
        except Stopped:
            write("stopping")
            return 0
        finally:
            _stop(children)
            held.release()
            write("stopped")


def _start(
    service: str,
    address: str,
    others: Sequence[Child],
    workspace: Path,
    state: Path,
    token: str,
    write: Callable[[str], None],
) -> Child:
    host, port = address.rsplit(":", 1)
    command = [
        sys.executable,
        "-m",
        "thanosql.child",
        str(os.getpid()),
        PROGRAMS[service],
        "--host",
        host,
        "--port",
        port,
    ]
    command += ["--workspace", str(workspace), "--state", str(state)]
    needs = {"trainer": ("catalog",), "query": ("catalog", "trainer", "inference"), "gateway": ("query",)}.get(
        service, ()
    )
    for other in others:
        if other.service in needs:
            command += [f"--{other.service}", other.address]
    process = subprocess.Popen(
        command,
        # In the environment, since everybody can read the arguments of a process.
        env={**os.environ, "THANOSQL_TOKEN": token, f"THANOSQL_{service.upper()}_TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches this process alone, which then stops the services in their order.
        start_new_session=True,
    )

    def relay() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                write(f"[{service}] {line.rstrip()}")

    thread = threading.Thread(target=relay, name=f"{service}-log", daemon=True)
    thread.start()
    return Child(service, address, process, thread)


def _wait_until_healthy(child: Child) -> None:
    deadline = time.monotonic() + START_WITHIN
    with grpc.insecure_channel(child.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            if child.process.poll() is not None:
                raise Unavailable(
                    f"{child.service}_service did not start ({_ending(child)}); its last lines are above",
                    hint=f"If its port is taken, choose another: --{child.service}-port.",
                )
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            if time.monotonic() > deadline:
                raise Unavailable(f"{child.service}_service is not healthy after {START_WITHIN:.0f} s")
            time.sleep(0.05)


def _wait_until_ready(gateway: Child) -> None:
    from urllib.error import URLError
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + START_WITHIN
    while True:
        if gateway.process.poll() is not None:
            raise Unavailable(
                f"the HTTP gateway did not start ({_ending(gateway)}); its last lines are above",
                hint="If its port is taken, choose another: --http-port.",
            )
        try:
            opener.open(f"http://{gateway.address}/ready", timeout=5).close()
            return
        except (URLError, OSError):
            pass
        if time.monotonic() > deadline:
            raise Unavailable(f"the HTTP gateway is not ready after {START_WITHIN:.0f} s")
        time.sleep(0.05)


def _wait_until_one_ends(children: Sequence[Child]) -> Child:
    while True:
        for child in children:
            if child.process.poll() is not None:
                return child
        time.sleep(0.2)


def _stop(children: Sequence[Child]) -> None:
    """Stops the services, those that depend on others first."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
        try:
            child.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.relay.join(1)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises `Stopped`; later ones are ignored, since the services are stopping already."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, action in before.items():
            signal.signal(each, action)


def _ending(child: Child) -> str:
    code = child.process.returncode
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _how_to_connect(address: str, workspace: Path, state: Path, http_port: int | None) -> str:
    http = (
        f"\n  over HTTP              http://{HOST}:{http_port}, with the same token: docs/http.md" if http_port else ""
    )
    return f"""
ready: workspace {workspace}

  in this folder         thanosql shell, or in Python: session = thanosql.connect()
  from anywhere else     export THANOSQL_ADDRESS={address} THANOSQL_API_TOKEN=…
                         (the token is in {state / "local.json"}){http}

Ctrl-C stops the services.
"""
