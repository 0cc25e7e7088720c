"""CPU of a server per request of the Open Inference Protocol, with a model that gives its input back."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from peers import triton

from serving_parts import calls, http_calls
from serving_parts.calls import Load, run_apart
from serving_parts.identity import IDENTITY, make_identity, make_samples
from serving_parts.report import Table, percentile, tell
from serving_parts.servers import Server, free_port, is_healthy, run_server, run_service
from serving_parts.settings import Settings
from serving_parts.speech import CHECKOUT

CALLERS = 16
SAMPLES = 16_384
"""64 kB of float32, in and out."""
GRAPH = {"engine": "onnxruntime", "precision": "fp32"}
MOST_MILLISECONDS = 0.4
PEERS = CHECKOUT / "benchmarks" / "peers"


def measure(settings: Settings) -> Table:
    """One server after the other, and the service once more at the end: the machine may change on the way.

    The identity is a line of Python in every server, but for the last row: there it is a graph of the store, with its
    arg-max, in ONNX Runtime.
    """
    table = Table(f"overhead: CPU ms per request, 64 kB in and out, {CALLERS} callers")
    contenders: list[tuple[str, Callable[[Settings], Load], float | None]] = [
        ("inference_service", _measure_service, MOST_MILLISECONDS),
        ("grpc.aio echo", _measure_echo, None),
        ("Triton, Python backend", _measure_triton, None),
        ("LitServe (JSON, base64)", _measure_litserve, None),
        ("MLServer", _measure_mlserver, None),
        ("inference_service, once more", _measure_service, MOST_MILLISECONDS),
        ("inference_service, ONNX Runtime", _measure_graph, None),
    ]
    for name, run, target in contenders:
        tell(f"overhead: {name}")
        try:
            load = run(settings)
        except NotInstalledError as missing:
            table.add(name, None, note=f"not installed: give {missing}")
            continue
        except Exception as error:
            tell(f"overhead: {name} failed: {error}")
            table.add(name, None, "ms", at_most=target, note=f"failed: {str(error).splitlines()[0]}")
            continue
        if not load.answered:
            table.add(name, None, "ms", at_most=target, note=f"answered nothing: {load.refusals}")
            continue
        note = (
            f"{len(load.answered) / load.seconds:.0f} requests/s, p50 {percentile(load.latencies, 0.5) * 1e3:.1f} ms, "
            f"p99 {percentile(load.latencies, 0.99) * 1e3:.1f} ms" + (f"; {load.refusals}" if load.refusals else "")
        )
        table.add(name, load.cpu_seconds / len(load.answered) * 1e3, "ms", at_most=target, note=note)
    return table


class NotInstalledError(Exception):
    """The option that would say where a peer is."""


def _load(settings: Settings, server: Server, request: bytes) -> Load:
    tell(f"{server.megabytes:.0f} MB before the load")
    return run_apart(
        calls.closed_loop,
        server.address,
        [request],
        callers=CALLERS,
        seconds=settings.of(5, 2),
        warm_up=settings.of(2, 1),
        server=server.pid,
    )


def _measure_service(settings: Settings) -> Load:
    command = [sys.executable, str(CHECKOUT / "benchmarks" / "oip_overhead.py"), "serve"]
    with run_server("inference_service", lambda port: [*command, str(port)], is_healthy) as server:
        return _load(settings, server, _service_request())


def _measure_graph(settings: Settings) -> Load:
    if not (settings.state / "models" / IDENTITY).exists():
        make_identity(settings.state / "models")
    with run_service(settings.state, settings.speech.workspace, GRAPH) as server:
        return _load(settings, server, _service_request())


def _measure_echo(settings: Settings) -> Load:
    with run_server("the echo", _python(Path(sys.executable), PEERS / "echo.py"), calls.is_ready) as server:
        return _load(settings, server, _identity_request())


def _measure_triton(settings: Settings) -> Load:
    if settings.triton is None:
        raise NotInstalledError("--triton")
    repository = settings.scratch / "triton-identity" / "repository"
    triton.write_identity(repository)
    peer = triton.prepare(settings.triton, repository)
    with run_server("Triton", peer.command, calls.is_ready, environment=peer.environment) as server:
        return _load(settings, server, _identity_request())


def _measure_mlserver(settings: Settings) -> Load:
    if settings.mlserver is None:
        raise NotInstalledError("--mlserver")
    folder = settings.scratch / "mlserver"
    folder.mkdir()
    (folder / "identity.py").write_bytes((PEERS / "mlserver_identity" / "identity.py").read_bytes())
    model = {"name": "identity", "implementation": "identity.Identity"}
    (folder / "model-settings.json").write_text(json.dumps(model), "utf-8")

    def command(port: int) -> Sequence[str]:
        ports = {"http_port": free_port(), "grpc_port": port, "metrics_port": free_port(), "host": "127.0.0.1"}
        # One process, which is the cheapest: its own default puts another one and a queue between.
        own = {"parallel_workers": 0, "metrics_endpoint": None, "debug": False}
        (folder / "settings.json").write_text(json.dumps(ports | own), "utf-8")
        return [str(settings.mlserver / "bin" / "mlserver"), "start", str(folder)]  # type: ignore[operator]

    with run_server("MLServer", command, calls.is_ready) as server:
        return _load(settings, server, _identity_request())


def _measure_litserve(settings: Settings) -> Load:
    if settings.litserve is None:
        raise NotInstalledError("--litserve")
    command = _python(settings.litserve / "bin" / "python", PEERS / "litserve_identity.py")
    with run_server("LitServe", command, partial(http_calls.is_ready, path="/health")) as server:
        return run_apart(
            http_calls.closed_loop,
            server.port,
            "/predict",
            json.dumps({"waveform": base64.b64encode(make_samples(SAMPLES)).decode("ascii")}).encode("ascii"),
            callers=CALLERS,
            seconds=settings.of(5, 2),
            warm_up=settings.of(2, 1),
            server=server.pid,
        )


def _service_request() -> bytes:
    return calls.make_request(IDENTITY, make_samples(SAMPLES), output="log_probs")


def _identity_request() -> bytes:
    return calls.make_request("identity", make_samples(SAMPLES), input="INPUT", output="OUTPUT")


def _python(interpreter: Path, script: Path) -> Callable[[int], Sequence[str]]:
    return lambda port: [str(interpreter), str(script), str(port)]
