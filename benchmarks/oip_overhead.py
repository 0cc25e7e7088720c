"""What does a request of the Open Inference Protocol cost the server, beside the model?

    python benchmarks/oip_overhead.py            # half a minute
    python benchmarks/oip_overhead.py serve PORT # nothing but the server with the identity model

A model that gives its input back as its log-probabilities (64 kB in, 64 kB out), 16 callers, unary calls. CPU time of
the server's process per request, beside servers that do nothing but send the bytes back: what comes on top of gRPC in
Python. The ratio is what to look at: the milliseconds are those of one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from thanosql.modelstore import GRAPH, ModelDescription, new_version, write_description
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.rpc.server import RunningServer

MODEL = "identity"
VOCABULARY = 32
SAMPLES = 16_384
CALLERS = 16
REQUESTS = 3_000
WARM_UP = 500
ROUNDS = 3

SERVICE, METHOD = "inference.GRPCInferenceService", "ModelInfer"
OPTIONS = (("grpc.max_receive_message_length", 64 * 2**20), ("grpc.so_reuseport", 0))


class IdentityEngine:
    """Gives the samples back as log-probabilities, and says that every frame is silent."""

    def run(self, rows: Sequence[np.ndarray], **_: Any) -> list[Any]:
        from inference_service.speech.decode import FrameScores

        frames = [len(row) // VOCABULARY for row in rows]
        return [
            FrameScores(np.zeros(count, np.int64), np.zeros(count, np.float32), row.reshape(count, VOCABULARY))
            for row, count in zip(rows, frames, strict=True)
        ]

    def close(self) -> None:
        pass


def start_identity_server(state: Path, port: int = 0, **settings: Any) -> RunningServer:
    """inference_service as it is, but for the engine, with the model "identity" in the store of `state`."""
    from inference_service.engines import engine

    engine.open_engine = lambda *_, **__: IdentityEngine()  # type: ignore[assignment]

    # Now: they take `open_engine` over when they are imported.
    from inference_service.__main__ import start
    from inference_service.config import InferenceConfig

    description = ModelDescription(
        name=MODEL,
        version=1,
        class_name="Identity",
        base="none",
        vocabulary=("<pad>", "|", *(chr(ord("a") + number) for number in range(VOCABULARY - 2))),
        blank=0,
        word_delimiter=1,
        frame_samples=VOCABULARY,
        receptive_samples=VOCABULARY,
    )
    with new_version(state / "models", MODEL, 1) as folder:
        write_description(folder, description)
        (folder / GRAPH).touch()
    defaults = {
        "workers": 1,
        "batch_rows": CALLERS,
        "batch_seconds": 60.0,
        "calibration_seconds": 0.0,
        "device": "cpu",
        "workspace": state,
    }
    return start(InferenceConfig(port=port, state=state, **{**defaults, **settings}))


def make_request() -> bytes:
    """16,384 samples, for log-probabilities of the same size."""
    samples = np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32) / 10
    request = oip.ModelInferRequest(model_name=MODEL, raw_input_contents=[samples.tobytes()])
    request.inputs.add(name="waveform", datatype="FP32", shape=[SAMPLES])
    request.outputs.add(name="log_probs")
    return request.SerializeToString()


def serve(kind: str, port: int) -> None:
    """Serves until the process is ended, and prints its port."""
    if kind == "inference_service":
        with tempfile.TemporaryDirectory() as folder:
            server = start_identity_server(Path(folder), port)
            print(server.port, flush=True)
            server.wait()
    elif kind == "grpc.aio echo":
        asyncio.run(_echo_asynchronously(port))
    else:
        _echo_in_threads(port)


def _echo(request: Any) -> Any:
    response = oip.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
    response.outputs.add(name="log_probs", datatype="FP32", shape=[SAMPLES // VOCABULARY, VOCABULARY])
    response.raw_output_contents.append(request.raw_input_contents[0])
    return response


def _handlers(behaviour: Any) -> tuple[Any]:
    method = grpc.unary_unary_rpc_method_handler(
        behaviour, oip.ModelInferRequest.FromString, oip.ModelInferResponse.SerializeToString
    )
    return (grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),)


async def _echo_asynchronously(port: int) -> None:
    async def answer(request: Any, context: Any) -> Any:  # noqa: ARG001
        return _echo(request)

    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(_handlers(answer))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def _echo_in_threads(port: int) -> None:
    def answer(request: Any, context: Any) -> Any:  # noqa: ARG001
        return _echo(request)

    server = grpc.server(ThreadPoolExecutor(CALLERS), _handlers(answer), options=OPTIONS)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


@contextmanager
def run_apart(kind: str) -> Iterator[tuple[psutil.Process, int]]:
    """A server in a process of its own, and its port."""
    command = [sys.executable, __file__, "serve", "0", "--kind", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield psutil.Process(process.pid), int(process.stdout.readline())
        finally:
            process.kill()


async def send(port: int, count: int) -> None:
    """So many requests, by `CALLERS` callers that each wait for their answer."""
    body, left = make_request(), iter(range(count))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        call = channel.unary_unary(f"/{SERVICE}/{METHOD}")

        async def one_after_another() -> None:
            for _ in left:
                answer = oip.ModelInferResponse.FromString(await call(body))
                assert len(answer.raw_output_contents[0]) == 4 * SAMPLES

        await asyncio.gather(*(one_after_another() for _ in range(CALLERS)))


def measure(kind: str, requests: int) -> tuple[float, float]:
    """CPU milliseconds of the server per request, and requests a second."""
    with run_apart(kind) as (process, port):
        asyncio.run(send(port, WARM_UP))
        before, begin = process.cpu_times(), time.perf_counter()
        asyncio.run(send(port, requests))
        after, end = process.cpu_times(), time.perf_counter()
    used = after.user + after.system - before.user - before.system
    return used / requests * 1e3, requests / (end - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("serve", nargs="*", help="serve PORT: nothing but a server; port 0: any free one")
    parser.add_argument("--kind", default="inference_service", help="which server")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="in every round")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.kind, int(arguments.serve[-1]))
        return
    kinds = ("grpc.aio echo", "grpc echo, threads", "inference_service")
    # In turn, so that a machine that is busier for a while is so for all of them; the best round of each counts.
    rounds = [{kind: measure(kind, arguments.requests) for kind in kinds} for _ in range(ROUNDS)]
    best = {kind: min(each[kind] for each in rounds) for kind in kinds}
    for kind in kinds:
        cost, rate = best[kind]
        ratio = cost / best[kinds[0]][0]
        print(f"{kind:20} {cost:.3f} ms CPU per request, {ratio:.2f} x the {kinds[0]}, {rate:.0f} requests/s")
    if arguments.json:
        figures = {kind: {"cpu_ms": cost, "requests_per_second": rate} for kind, (cost, rate) in best.items()}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
