"""What is common to all calls that come in: who may call, what their failures become, and how their end is told.

`interceptors` puts it around the servicers' methods.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc

from thanosql import errors
from thanosql.rpc.identity import Identity, read_workspace, set_identity
from thanosql.rpc.logs import METADATA_KEY, current_request_id
from thanosql.rpc.policy import check_access
from thanosql.rpc.telemetry import End, Tracing
from thanosql.token_secrets import is_whole
from thanosql.types import Role

log = logging.getLogger(__name__)

# Clients of the Open Inference Protocol know nothing of our details, and show the status's text only.
_FOREIGN = "/inference."

Handler = Any  # grpc.RpcMethodHandler: a named tuple that the type stubs know only in part
Call = Callable[[grpc.HandlerCallDetails], Handler]


Authenticate = Callable[[grpc.HandlerCallDetails], Identity]
"""Whom a call is made for; raises `Unauthenticated` or `PermissionDenied` where it may not be made."""


Audit = Callable[[str, str, float], None]
"""Writes down method, status and seconds of a call that has ended."""


def authenticate_peers(service: str, token: str) -> Authenticate:
    """For the services that only other services call: who knows the installation's secret is believed.

    Args:
        service: Name of the service, for messages.
        token: The secret; empty: everybody is believed.
    """

    def authenticate(details: grpc.HandlerCallDetails) -> Identity:
        sent = read_token(details)
        if token and not is_same(sent, token):
            raise refuse_user(service) if is_whole(sent) else refusal()
        return Identity(read_workspace(details.invocation_metadata), is_peer=True)

    return authenticate


def admit(authenticate: Authenticate, details: grpc.HandlerCallDetails, peer: str) -> None:
    """From here on, this thread or task works for whoever makes the call.

    Args:
        authenticate: Finds out who that is.
        details: Of the call.
        peer: The address that it comes from.

    Raises:
        Unauthenticated, PermissionDenied: it may not be made.
    """
    set_identity(Identity(role=Role.READER, peer=peer))  # until it is known: threads have answered others before
    identity = replace(authenticate(details), peer=peer)
    set_identity(identity)
    check_access(details.method, identity)


def read_token(details: grpc.HandlerCallDetails) -> str:
    """What a caller has sent as `authorization: Bearer …`; empty: nothing, or something else."""
    for key, value in details.invocation_metadata or ():
        if key == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
            return value[7:].strip()
    return ""


def is_same(sent: str, token: str) -> bool:
    """Whether two secrets are one; how long it takes tells nothing of either."""
    return hmac.compare_digest(sent.encode(), token.encode())


def refusal() -> errors.Unauthenticated:
    """What a caller without the token gets."""
    return errors.Unauthenticated(
        "the token is missing or wrong",
        hint="Give the server's token: thanosql.connect(address, token=…) or %thanosql API_TOKEN=… in a notebook.",
    )


def refuse_user(service: str) -> errors.Unauthenticated:
    """What somebody gets who sends a user's token where only services call."""
    return errors.Unauthenticated(
        f"the token is a user's, and {service}_service answers the other services alone",
        hint="Connect to the query service: its port is 8470 unless it was started with another.",
    )


def as_ours(error: Exception, method: str) -> errors.ThanoSQLError:
    """Our own errors as they are; anything else as an internal error, its text kept in the log."""
    ours = _translate(error, method)
    if method.startswith(_FOREIGN) and ours.hint:
        ours.message, ours.hint = f"{ours.message}. {ours.hint}", ""
    return ours


def _translate(error: Exception, method: str) -> errors.ThanoSQLError:
    if isinstance(error, errors.ThanoSQLError) and type(error) is not errors.ThanoSQLError:
        return error
    if isinstance(error, errors.ThanoSQLError):  # from a newer peer: no status of its own
        return errors.DataError(error.message, hint=error.hint)
    request_id = current_request_id()
    log.error("request %s, %s failed", request_id, method, exc_info=error)
    return errors.InternalError(
        "internal error", hint="This is a fault of the server: its log has the details.", request_id=request_id
    )


def stopping(service: str, *, was_begun: bool = True) -> errors.Unavailable:
    """What a call gets that outlasts the grace of a server that stops, or comes too late."""
    what = "the call was not done within the grace" if was_begun else "takes no new calls"
    return errors.stopping(service, f", and {what}")


QUIET = frozenset(("OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED"))
"""Ends of short calls that are no news each: under overload there are thousands, and the metrics count them."""


def log_end(method: str, kind: str, status: str, begin: float) -> None:
    """The access line: streams and failures at INFO, the many short calls that went as they should at DEBUG."""
    level = logging.DEBUG if kind == "unary" and status in QUIET else logging.INFO
    if log.isEnabledFor(level):
        seconds = time.monotonic() - begin
        fields = {"method": method, "status": status, "seconds": round(seconds, 6)}
        log.log(level, "%s %s in %.3f s", method, status, seconds, extra={"fields": fields})


def begin_span(tracing: Tracing | None, details: grpc.HandlerCallDetails, request_id: str) -> End | None:
    """The span of a call begins, where calls are traced; gives what is told its end."""
    if tracing is None:
        return None
    return tracing.begin_answer(details.method, details.invocation_metadata, request_id)


def trailer() -> tuple[str, str]:
    """The id of the request, as it is sent back."""
    return (METADATA_KEY, current_request_id())


def rewrap(handler: Handler, unary: Callable[..., Any], stream: Callable[..., Any]) -> Handler:
    """A handler of the same kind, with its behaviour inside `unary` or `stream`."""
    kinds = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
    }
    attribute, make = kinds[handler.request_streaming, handler.response_streaming]
    wrap = stream if handler.response_streaming else unary
    return make(
        wrap(getattr(handler, attribute)),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
