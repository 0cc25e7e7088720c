"""The one table of exception and gRPC status, used by both sides.

The status carries the message; `ErrorDetail`, in `grpc-status-details-bin`, carries the rest. When to try again is also
said as clients of other makes look for it: `google.rpc.RetryInfo` among the details, and the trailing metadata
`grpc-retry-pushback-ms` (gRPC proposal A6), which gRPC obeys where the client's retry policy names the status code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from thanosql import errors
from thanosql.v1.types_pb2 import ErrorDetail

CODES: dict[type[errors.ThanoSQLError], grpc.StatusCode] = {
    errors.StatementError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.StatementSyntaxError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidOption: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownTable: grpc.StatusCode.NOT_FOUND,
    errors.UnknownColumn: grpc.StatusCode.NOT_FOUND,
    errors.UnknownModel: grpc.StatusCode.NOT_FOUND,
    errors.UnknownBaseModel: grpc.StatusCode.NOT_FOUND,
    errors.NotSupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.NameTaken: grpc.StatusCode.ALREADY_EXISTS,
    errors.PathRefused: grpc.StatusCode.PERMISSION_DENIED,
    errors.DataError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AudioError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BaseModelUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobFailed: grpc.StatusCode.ABORTED,
    errors.LeaseLost: grpc.StatusCode.ABORTED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Cancelled: grpc.StatusCode.CANCELLED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}

PUSHBACK = "grpc-retry-pushback-ms"

_KINDS = {kind.__name__: kind for kind in CODES}

# What a status means that comes from gRPC itself (no detail): the transport, or another server.
_TRANSPORT: dict[grpc.StatusCode, type[errors.ThanoSQLError]] = {
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TimedOut,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotSupported,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
}


# What gRPC says, of either side, with RESOURCE_EXHAUSTED: no use in trying again.
_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")

# A cancellation without a word is not ours, which have one: gRPC's server drops a call so that comes while it stops.
_BARE = (None, "", grpc.StatusCode.CANCELLED.name)

_NO_SUCH_CALL = ("Method not found!", "Method not implemented!")
"""What gRPC says where a server has no such method, or leaves it out."""

_LONGEST_TEXT = 2000
"""Bytes of a message or hint: a status travels in HTTP/2 headers, and too long ones end the call without any."""

FLOAT_BYTES_PER_SECOND = 4 * 16_000
"""Of samples as they are sent in tensors."""


def to_status(error: errors.ThanoSQLError) -> Any:
    """The `grpc.Status` that says what `error` says."""
    code = CODES[type(error)]
    detail = ErrorDetail(
        kind=type(error).__name__,
        hint=_shorten(error.hint),
        line=error.line,
        column=error.column,
        excerpt=_shorten(error.excerpt),
        retry_after_seconds=error.retry_after,
        request_id=error.request_id,
        reason=error.reason if isinstance(error, errors.AudioError | errors.Overloaded) else "",
    )
    details: list[Message] = [detail]
    milliseconds = None
    if error.retry_after is not None:
        milliseconds = math.ceil(max(0.0, error.retry_after) * 1000)
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(milliseconds)
        details.append(retry)
    number: int = code.value[0]
    message = _shorten(error.message)
    status = rpc_status.to_status(Status(code=number, message=message, details=[_pack(each) for each in details]))
    if milliseconds is None:
        return status
    return status._replace(trailing_metadata=(*status.trailing_metadata, (PUSHBACK, str(milliseconds))))


def _shorten(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _LONGEST_TEXT:
        return text
    return encoded[:_LONGEST_TEXT].decode(errors="ignore") + " …"


_CLOSED_HERE = "Channel closed!"
"""As grpcio says it."""


def to_error(failure: grpc.RpcError, peer: str) -> errors.ThanoSQLError:
    """The exception that a failed call stands for; `peer` names the service and address called."""
    status = _status_of(failure)
    details = status.details if status is not None else ()
    for packed in details:
        detail = ErrorDetail()
        if packed.Unpack(detail):
            return _from_detail(str(failure.details()), detail)
    too_large = _TOO_LARGE.search(failure.details() or "")
    if too_large:
        size, limit = (int(number) / 2**20 for number in too_large.groups())
        return errors.DataError(
            f"{peer}: a message of {size:.1f} MiB is over the limit of {limit:g} MiB",
            hint=f"{limit:g} MiB are {limit * 2**20 / FLOAT_BYTES_PER_SECOND:.0f} s of float32 samples at 16 kHz. Name "
            "recordings by their path, send them as flac, or cut them.",
        )
    kind = _TRANSPORT.get(failure.code(), errors.InternalError)
    if kind is errors.Cancelled and failure.details() in _BARE:
        kind = errors.Unavailable
    hint = ""
    said = failure.details() or failure.code().name
    if said in _NO_SUCH_CALL:
        said = "the server does not know this call: it is an older release than this program, or something else"
        hint = "Bring the server up to this program's release, or install the server's release here."
    elif said == _CLOSED_HERE:
        said = "the connection was closed here while the call was under way"
    elif kind is errors.Unavailable:
        hint = "Is the service running, and is the address right? Nothing is lost: run the statement again when it is."
    retry_after = _read_retry(failure, details)
    error = kind(f"{peer}: {said}", hint=hint, retry_after=retry_after)
    error.by_transport = True
    return error


def _status_of(failure: grpc.RpcError) -> Status | None:
    try:
        status: Status | None = rpc_status.from_call(failure)
    except ValueError:  # code and details disagree: a proxy has rewritten one of them
        return None
    return status


def _read_retry(failure: grpc.RpcError, details: Iterable[AnyMessage]) -> float | None:
    """Seconds after which another server wants to be asked again."""
    for packed in details:
        retry = RetryInfo()
        if packed.Unpack(retry):
            return float(retry.retry_delay.ToMilliseconds() / 1000)
    trailing: Any = failure.trailing_metadata()
    for key, value in trailing or ():
        # A negative number, or none, forbids the attempt.
        if key == PUSHBACK and str(value).isdecimal():
            return int(value) / 1000
    return None


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _from_detail(message: str, detail: ErrorDetail) -> errors.ThanoSQLError:
    retry_after = detail.retry_after_seconds if detail.HasField("retry_after_seconds") else None
    if detail.kind == errors.AudioError.__name__:
        return errors.AudioError(message, reason=detail.reason, hint=detail.hint)
    if detail.kind == errors.Overloaded.__name__:
        return errors.Overloaded(message, reason=detail.reason, hint=detail.hint, retry_after=retry_after)
    # A newer server may know a kind that we do not: its words still reach the user.
    kind = _KINDS.get(detail.kind, errors.ThanoSQLError)
    return kind(
        message,
        hint=detail.hint,
        line=detail.line,
        column=detail.column,
        excerpt=detail.excerpt,
        retry_after=retry_after,
        request_id=detail.request_id,
    )
