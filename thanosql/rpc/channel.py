"""Opens channels: message limits, keepalive, retries, balancing, token and request id, once for every client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

from thanosql.rpc.closing import ClosableChannel
from thanosql.rpc.identity import WORKSPACE_KEY, current_identity
from thanosql.rpc.logs import METADATA_KEY, QUERY_KEY, current_query_id, current_request_id
from thanosql.rpc.targets import grpc_target, is_several
from thanosql.rpc.telemetry import End, Tracing, user_headers
from thanosql.rpc.tls import ClientTls
from thanosql.workspace import DEFAULT_WORKSPACE

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message either side takes: 17 minutes of float32 samples at 16 kHz, or a big record batch."""

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A message of rows goes in a few frames, not in hundreds of 16 KiB; other calls of the connection still get in.
    ("grpc.http2.max_frame_size", 1 << 20),
    # A status with its details, in any alphabet; over 8 KiB gRPC refuses some, by chance, where nothing is set.
    ("grpc.max_metadata_size", 16_384),
    ("grpc.absolute_max_metadata_size", 32_768),
)

_RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

# Calls that would do their work twice (a retry could double the rows of an INSERT), and streams: under a retry policy,
# one that has had no message yet hangs when its server goes away (measured with grpcio 1.85).
NOT_RETRIED = (
    ("CatalogService", "Query"),
    ("CatalogService", "QueryRelations"),
    ("CatalogService", "WriteTable"),
    ("CatalogService", "ChangeTable"),
    ("CatalogService", "RenameTable"),
    ("CatalogService", "RenameColumn"),
    ("CatalogService", "CopyTable"),
    ("CatalogService", "DropTable"),
    ("CatalogService", "DeleteModel"),
    ("TrainerService", "SubmitJob"),
    ("TrainerService", "WatchJob"),
    ("TrainerService", "GetDataset"),
    ("InferenceService", "Transcribe"),
    ("QueryService", "Execute"),
    ("QueryService", "Attach"),
    ("QueryService", "Upload"),
    ("QueryService", "Transcribe"),
    ("QueryService", "CreateToken"),
    ("CatalogService", "CreateToken"),
)
"""Service and method; a test sees that every stream is among them."""

SERVICE_CONFIG: dict[str, Any] = {
    "methodConfig": [
        {"name": [{}], "retryPolicy": _RETRY},
        {"name": [{"service": f"thanosql.v1.{service}", "method": method} for service, method in NOT_RETRIED]},
    ]
}
"""gRPC's service config: which calls are tried again, and when."""

BALANCED_CONFIG: dict[str, Any] = {
    **SERVICE_CONFIG,
    "loadBalancingConfig": [{"round_robin": {}}],
    # A server that says NOT_SERVING is sent no calls; one that has no health checks is taken to serve.
    "healthCheckConfig": {"serviceName": ""},
}
"""The same where several servers stand behind an address: calls take turns, and a stream stays where it began."""

_CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    *OPTIONS,
    # A peer that has vanished without a word is found out within a minute.
    ("grpc.keepalive_time_ms", 40_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A service that restarts is found again within a second or two.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 1),
)


def open_channel(
    address: str,
    token: str = "",
    tracing: Tracing | None = None,
    *,
    tls: ClientTls | None = None,
    workspace: str = "",
) -> grpc.Channel:
    """A channel to `address`; connects when first used.

    It is "host:port", or stands for several servers that calls take turns with (`thanosql.rpc.targets`). Every call
    carries `token`, and the id of the request and the workspace on whose behalf it is made, or `workspace`; with
    `tracing`, it is a span.

    Raises:
        Unavailable: no name of a list of servers can be resolved.
        NotFound: the file that `tls` names cannot be read.
    """
    config = BALANCED_CONFIG if is_several(address) else SERVICE_CONFIG
    options = (*_CHANNEL_OPTIONS, ("grpc.service_config", json.dumps(config)))
    target = grpc_target(address)
    if tls is None:
        channel = grpc.insecure_channel(target, options=options)
    else:
        channel = grpc.secure_channel(target, tls.credentials(), options=options)
    return grpc.intercept_channel(ClosableChannel(channel), _MetadataSender(token, tracing, workspace))


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def with_metadata(details: grpc.ClientCallDetails, metadata: list[tuple[str, str | bytes]]) -> grpc.ClientCallDetails:
    """The details of a call, with other metadata."""
    return _CallDetails(  # type: ignore[return-value]  # gRPC asks for the attributes alone
        method=details.method,
        timeout=details.timeout,
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
        compression=details.compression,
    )


class _MetadataSender(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds `authorization: Bearer …`, `x-request-id` and the workspace to every call."""

    def __init__(self, token: str, tracing: Tracing | None, workspace: str) -> None:
        self._tracing, self._workspace = tracing, workspace
        self._always = [("authorization", f"Bearer {token}")] if token else []

    def _send(self, continuation: Callable[[Any, Any], Any], details: grpc.ClientCallDetails, request: Any) -> Any:
        metadata = [*(details.metadata or ()), *self._always]
        request_id = current_request_id()
        if request_id and all(key != METADATA_KEY for key, _ in metadata):
            metadata.append((METADATA_KEY, request_id))
        if query_id := current_query_id():
            metadata.append((QUERY_KEY, query_id))
        workspace = self._workspace or current_identity().workspace
        if self._workspace or workspace != DEFAULT_WORKSPACE:
            metadata.append((WORKSPACE_KEY, workspace))
        end: End | None = None
        if self._tracing is not None:
            headers, end = self._tracing.begin_call(details.method)
            metadata += headers
        else:
            metadata += user_headers()
        call = continuation(with_metadata(details, metadata), request)
        if end is not None:
            _when_done(call, end)
        return call

    intercept_unary_unary = _send  # type: ignore[assignment]
    intercept_unary_stream = _send  # type: ignore[assignment]
    intercept_stream_unary = _send  # type: ignore[assignment]
    intercept_stream_stream = _send  # type: ignore[assignment]


def _when_done(call: Any, end: End) -> None:
    """Tells `end` the status of a call when it has one, whatever kind of call it is."""

    def tell(*_: Any) -> None:
        end(call.code().name)

    # Calls with one answer are futures; those with a stream of answers know callbacks, and those that are over neither.
    if hasattr(call, "add_done_callback"):
        call.add_done_callback(tell)
    elif not call.add_callback(tell):
        tell()
