"""The one table of exception and HTTP status, and the body that says what went wrong: OpenAI's, with our hints."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from thanosql import errors
from thanosql.rpc.logs import current_request_id

STATUSES: dict[type[errors.ThanoSQLError], int] = {
    errors.ThanoSQLError: 400,
    errors.StatementError: 400,
    errors.StatementSyntaxError: 400,
    errors.InvalidOption: 400,
    errors.UnknownTable: 404,
    errors.UnknownColumn: 400,
    errors.UnknownModel: 404,
    errors.UnknownBaseModel: 404,
    errors.NotSupported: 400,
    errors.InvalidRequest: 400,
    errors.NotFound: 404,
    errors.NameTaken: 409,
    errors.PathRefused: 403,
    errors.DataError: 400,
    errors.AudioError: 400,
    errors.BaseModelUnavailable: 400,
    errors.JobFailed: 409,
    errors.LeaseLost: 409,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.Overloaded: 429,
    errors.Unavailable: 503,
    errors.TimedOut: 504,
    errors.Cancelled: 409,
    errors.InternalError: 500,
}
"""A test sees that none is forgotten."""

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
"""The `type` of an error by its status, where it is neither of these: invalid_request_error under 500, server_error."""

CODES: dict[type[errors.ThanoSQLError], str] = {
    errors.Unauthenticated: "invalid_api_key",
    errors.UnknownModel: "model_not_found",
    errors.Overloaded: "rate_limit_exceeded",
}
"""The `code` of an error where OpenAI's clients know one; else it is the exception's name: `unknown_table`."""

RETRY_AFTER = {429: 1.0, 503: 5.0}
"""Seconds after which a caller is asked to try again, where the error itself does not say."""


@dataclass
class Refusal(Exception):
    """A request that the gateway itself does not take."""

    status: int
    message: str
    code: str
    parameter: str = ""
    """Field of the request that it is about."""
    hint: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def invalid(parameter: str, message: str, *, hint: str = "", code: str = "invalid_value") -> Refusal:
    """A field of the request is wrong."""
    return Refusal(400, message, code, parameter, hint)


def describe(error: errors.ThanoSQLError | Refusal, parameter: str = "") -> dict[str, Any]:
    """The object under "error"; `message` has the hint in it, for clients that show nothing else."""
    if isinstance(error, Refusal):
        status, code, parameter = error.status, error.code, error.parameter
    else:
        status, code = status_of(error), code_of(error)
    usual = "invalid_request_error" if status < 500 else "server_error"
    told = {
        "message": f"{error.message}. {error.hint}" if error.hint else error.message,
        "type": TYPES.get(status, usual),
        "param": parameter or None,
        "code": code,
        "request_id": getattr(error, "request_id", "") or current_request_id(),
    }
    if error.hint:
        told["hint"] = error.hint
    if isinstance(error, errors.ThanoSQLError) and error.line:
        told |= {"line": error.line, "column": error.column, "excerpt": error.excerpt}
    return told


def respond(error: errors.ThanoSQLError | Refusal, parameter: str = "") -> Response:
    """The response that an error becomes."""
    status = error.status if isinstance(error, Refusal) else status_of(error)
    headers = dict(error.headers) if isinstance(error, Refusal) else {}
    retry_after = getattr(error, "retry_after", None)
    if status in RETRY_AFTER:
        headers["Retry-After"] = str(max(1, math.ceil(RETRY_AFTER[status] if retry_after is None else retry_after)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps({"error": describe(error, parameter)}, ensure_ascii=False)
    return Response(body, status, headers, "application/json")


def status_of(error: errors.ThanoSQLError) -> int:
    """The HTTP status of an error, or of the nearest kind above it that has one."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def code_of(error: errors.ThanoSQLError) -> str:
    """The word that programs tell errors by: "unknown_table"; of a recording that cannot be used, why: "too_short"."""
    if isinstance(error, errors.AudioError):
        return error.reason.replace(" ", "_")
    return CODES.get(type(error)) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
