"""Single requests over the Open Inference Protocol, from a process of their own: one caller after the other's answer
(closed loop), or at a rate of their own (open loop)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

import grpc
import grpc.aio

from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip import grpc_service_pb2_grpc as oip_grpc

P = ParamSpec("P")
T = TypeVar("T")

OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.max_send_message_length", 64 * 2**20),
    ("grpc.enable_retries", 0),
)
INTERACTIVE = 1
"""Value of the parameter `priority`, as Triton counts: the lowest number goes first."""
PATIENCE = 120.0
"""Seconds that a caller of a closed loop waits for an answer: a server that hangs shall not hold up everything."""


@dataclass(frozen=True)
class Call:
    """A request that was sent, and how it ended."""

    sent: float
    """Seconds from the begin of the load."""
    seconds: float
    """Until its answer."""
    status: str
    """ "OK" or gRPC's name of the failure."""


@dataclass(frozen=True)
class Load:
    """What came of a load."""

    seconds: float
    calls: list[Call]
    cpu_seconds: float = 0.0
    """Of the server's processes."""

    @property
    def answered(self) -> list[Call]:
        return [call for call in self.calls if call.status == "OK"]

    @property
    def latencies(self) -> list[float]:
        return [call.seconds for call in self.answered]

    @property
    def refusals(self) -> str:
        """How the others ended, counted."""
        others = [call.status for call in self.calls if call.status != "OK"]
        return ", ".join(f"{others.count(status)} {status}" for status in sorted(set(others)))


def run_apart(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Calls a function in a process of its own, whose CPU is nobody else's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def make_request(
    model: str,
    samples: Any,
    *,
    priority: int = 0,
    timeout: float = 0.0,
    input: str = "waveform",
    output: str = "transcript",
    shape: Sequence[int] = (),
) -> bytes:
    """A ModelInferRequest with raw contents; `samples` float32, `timeout` in seconds."""
    request = oip.ModelInferRequest(model_name=model, raw_input_contents=[samples.tobytes()])
    request.inputs.add(name=input, datatype="FP32", shape=list(shape) or [len(samples)])
    request.outputs.add(name=output)
    if priority:
        request.parameters["priority"].uint64_param = priority
    if timeout:
        request.parameters["timeout"].int64_param = int(timeout * 1e6)
    return request.SerializeToString()


def closed_loop(
    address: str,
    requests: Sequence[bytes],
    *,
    callers: int,
    seconds: float = 600.0,
    count: int = 1_000_000_000,
    warm_up: float = 0.0,
    server: int = 0,
) -> Load:
    """`callers` at once, each sends when it has its answer; until `seconds` are over or `count` requests are answered.

    Args:
        address: The server's.
        requests: Sent in turn, again and again.
        callers: How many wait for an answer at any time.
        seconds: How long requests are sent.
        count: How many are sent.
        warm_up: Seconds before all that, not counted.
        server: The server's process, whose CPU is taken.
    """

    async def run() -> Load:
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            infer = _method(channel)
            numbers = iter(range(1_000_000_000))
            calls: list[Call] = []
            begin, until, last = time.perf_counter(), time.perf_counter() + warm_up, 1_000_000_000

            async def caller() -> None:
                while time.perf_counter() < until and (number := next(numbers)) < last:
                    calls.append(await _call(infer, requests[number % len(requests)], begin, PATIENCE))

            async def stretch() -> None:
                await asyncio.gather(*(caller() for _ in range(callers)))

            if warm_up:
                await stretch()
            calls.clear()
            numbers, last, cpu = iter(range(1_000_000_000)), count, cpu_of(server)
            begin = time.perf_counter()
            until = begin + seconds
            await stretch()
            return Load(time.perf_counter() - begin, calls, cpu_of(server) - cpu)

    return asyncio.run(run())


def open_loop(address: str, requests: Sequence[bytes], *, rate: float, seconds: float, deadline: float) -> Load:
    """Requests that arrive at random, `rate` a second, whatever becomes of the others; each waits until `deadline`."""

    async def run() -> Load:
        chance = random.Random(0)
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            infer, tasks, moment = _method(channel), list[asyncio.Task[Call]](), 0.0
            begin = time.perf_counter()
            while (moment := moment + chance.expovariate(rate)) < seconds:
                await asyncio.sleep(max(0.0, begin + moment - time.perf_counter()))
                request = requests[len(tasks) % len(requests)]
                tasks.append(asyncio.create_task(_call(infer, request, begin, deadline)))
            calls = list(await asyncio.gather(*tasks))
        return Load(seconds, calls)

    return asyncio.run(run())


def cpu_of(pid: int) -> float:
    """CPU seconds that a process and its children have taken so far; 0 for process 0."""
    import psutil

    if not pid:
        return 0.0
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def is_ready(port: int) -> bool:
    """Whether a server of the protocol says so itself."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = oip_grpc.GRPCInferenceServiceStub(channel).ServerReady(oip.ServerReadyRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.ready)


def _method(channel: grpc.aio.Channel) -> Any:
    """ModelInfer, for requests that are bytes already: the callers' CPU is not what is measured."""
    return channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer", request_serializer=None, response_deserializer=None
    )


async def _call(infer: Any, request: bytes, begin: float, deadline: float) -> Call:
    sent = time.perf_counter()
    try:
        await infer(request, timeout=deadline)
        status = "OK"
    except grpc.RpcError as failure:
        status = failure.code().name
    now = time.perf_counter()
    if status == "OK" and now - sent > deadline:
        status = "DEADLINE_EXCEEDED"
    return Call(sent - begin, now - sent, status)
