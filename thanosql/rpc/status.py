"""The one table of exception and gRPC status, used by both sides.

The status carries the message; `ErrorDetail`, in `grpc-status-details-bin`, carries the rest.
"""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
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
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Cancelled: grpc.StatusCode.CANCELLED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}

_KINDS = {kind.__name__: kind for kind in CODES}

# What a status means that comes from gRPC itself (no detail): the transport, or another server.
_TRANSPORT: dict[grpc.StatusCode, type[errors.ThanoSQLError]] = {
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TimedOut,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotSupported,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
}


def to_status(error: errors.ThanoSQLError) -> grpc.Status:
    """The status that says what `error` says."""
    code = CODES[type(error)]
    detail = ErrorDetail(
        kind=type(error).__name__,
        hint=error.hint,
        line=error.line,
        column=error.column,
        excerpt=error.excerpt,
        retry_after_seconds=error.retry_after,
        request_id=error.request_id,
        reason=error.reason if isinstance(error, errors.AudioError) else "",
    )
    packed = AnyMessage()
    packed.Pack(detail)
    number: int = code.value[0]
    status: grpc.Status = rpc_status.to_status(Status(code=number, message=error.message, details=[packed]))
    return status


def to_error(failure: grpc.RpcError, peer: str) -> errors.ThanoSQLError:
    """The exception that a failed call stands for; `peer` names the service and address called."""
    status = _status_of(failure)
    for packed in status.details if status is not None else ():
        detail = ErrorDetail()
        if packed.Unpack(detail):
            return _from_detail(str(failure.details()), detail)
    kind = _TRANSPORT.get(failure.code(), errors.InternalError)
    hint = ""
    if kind is errors.Unavailable:
        hint = "Is the service running, and is the address right? Nothing is lost: run the statement again when it is."
    error = kind(f"{peer}: {failure.details() or failure.code().name}", hint=hint)
    error.by_transport = True
    return error


def _status_of(failure: grpc.RpcError) -> Status | None:
    try:
        status: Status | None = rpc_status.from_call(failure)
    except ValueError:  # code and details disagree: a proxy has rewritten one of them
        return None
    return status


def _from_detail(message: str, detail: ErrorDetail) -> errors.ThanoSQLError:
    if detail.kind == errors.AudioError.__name__:
        return errors.AudioError(message, reason=detail.reason, hint=detail.hint)
    # A newer server may know a kind that we do not: its words still reach the user.
    kind = _KINDS.get(detail.kind, errors.ThanoSQLError)
    return kind(
        message,
        hint=detail.hint,
        line=detail.line,
        column=detail.column,
        excerpt=detail.excerpt,
        retry_after=detail.retry_after_seconds if detail.HasField("retry_after_seconds") else None,
        request_id=detail.request_id,
    )
