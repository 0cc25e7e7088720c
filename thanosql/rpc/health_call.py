"""Asks a server how it is (grpc.health.v1), without waiting for the answer."""

from __future__ import annotations

from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from thanosql.rpc.closing import CLOSED

NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def ask_health(channel: grpc.Channel, seconds: float) -> Callable[[], bool | None]:
    """Asks; what comes back waits for the answer: whether the server takes calls, None where it does not say.

    One that knows no health checks is taken to serve.
    """
    call = health_pb2_grpc.HealthStub(channel).Check.future(health_pb2.HealthCheckRequest(), timeout=seconds)

    def wait() -> bool | None:
        try:
            return bool(call.result().status == health_pb2.HealthCheckResponse.SERVING)
        except CLOSED:
            return None
        except grpc.RpcError as failure:
            return None if failure.code() in NO_ANSWER else True

    return wait
