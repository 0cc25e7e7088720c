"""Every failure that a caller may meet, as one tree of exceptions.

    ThanoSQLError
    ├─ StatementError              the text of the statement is wrong
    │  ├─ StatementSyntaxError
    │  ├─ InvalidOption            an option that does not exist, or a value that makes no sense
    │  ├─ UnknownTable, UnknownColumn
    │  ├─ UnknownModel, UnknownBaseModel
    │  └─ NotSupported             understood, and not to be had here
    ├─ InvalidRequest              a call of the Open Inference Protocol that does not fit the model
    ├─ NotFound                    a file, job or query that is not there
    ├─ NameTaken                   a table or model of that name exists
    ├─ PathRefused                 a path that leaves the workspace
    ├─ DataError                   the content of a file or column cannot be used
    │  └─ AudioError               one recording cannot be used (`reason` says why, in a word)
    ├─ BaseModelUnavailable        the checkpoint can be had neither from the hub nor from the disk
    ├─ JobFailed                   a training or export job ended badly
    ├─ LeaseLost                   the job is held by another trainer
    ├─ Unauthenticated             no token, or a wrong one
    ├─ PermissionDenied            the token's role does not go so far
    ├─ Overloaded                  try again, after `retry_after` seconds
    ├─ Unavailable                 a service cannot be reached
    ├─ TimedOut
    ├─ Cancelled
    └─ InternalError               a fault of ours; `request_id` finds it in the log

`thanosql.rpc.status` maps this tree to gRPC status codes and back.
"""

from __future__ import annotations

from typing import Any


class ThanoSQLError(Exception):
    """What went wrong, where in the user's text, and what to do.

    Args:
        message: One sentence: what is wrong and where.
        hint: What to do about it.
        line, column: Place in the user's text, counted from 1; 0 where there is none.
        excerpt: The line of the user's text that `line` names; printed with a caret.
        retry_after: Seconds after which trying again may succeed.
        request_id: Finds the failure in the service's log.
    """

    by_transport: bool = False
    """True where gRPC itself reports the failure and not the service called: the connection broke."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        line: int = 0,
        column: int = 0,
        excerpt: str = "",
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.retry_after = retry_after
        self.request_id = request_id

    def __str__(self) -> str:
        parts = [self.message]
        if self.line:
            number = str(self.line)
            parts.append(f"  {number} | {self.excerpt}")
            if self.column:
                # A tab in the text keeps its width, so that the caret stands under its place.
                indent = "".join(c if c == "\t" else " " for c in self.excerpt[: self.column - 1])
                parts.append(f"  {' ' * len(number)} | {indent}^")
        if self.hint:
            parts.append(self.hint)
        if self.request_id:
            parts.append(f"(request id {self.request_id})")
        return "\n".join(parts)


class StatementError(ThanoSQLError):
    """The text of the statement is wrong."""


class StatementSyntaxError(StatementError):
    """The text is not a statement of the dialect."""


class InvalidOption(StatementError):
    """An option that does not exist, or a value that makes no sense."""


class UnknownTable(StatementError):
    """No table of that name."""


class UnknownColumn(StatementError):
    """No column of that name in the query."""


class UnknownModel(StatementError):
    """No model of that name."""


class UnknownBaseModel(StatementError):
    """No base model of that name."""


class NotSupported(StatementError):
    """Understood, and not to be had here."""


class InvalidRequest(ThanoSQLError):
    """A call of the Open Inference Protocol that does not fit the model: an unknown input, another type or shape."""


class NotFound(ThanoSQLError):
    """A file, job or query that is not there."""


class NameTaken(ThanoSQLError):
    """A table or model of that name exists."""


class PathRefused(ThanoSQLError):
    """A path that leaves the workspace."""


class DataError(ThanoSQLError):
    """The content of a file or column cannot be used."""


class AudioError(DataError):
    """One recording cannot be used.

    `reason` is a word or two to count by: "missing", "unreadable", "too short", "too long",
    "silent", "not finite", "path refused".
    """

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class BaseModelUnavailable(ThanoSQLError):
    """The checkpoint can be had neither from the hub nor from the disk."""


class JobFailed(ThanoSQLError):
    """A training or export job ended badly."""


class LeaseLost(ThanoSQLError):
    """The job is held by another trainer, or has ended."""


class Unauthenticated(ThanoSQLError):
    """No token, or a wrong one."""


class PermissionDenied(ThanoSQLError):
    """The token's role does not go so far."""


class Overloaded(ThanoSQLError):
    """The service has as much work as it can hold; `retry_after` says when that will be over.

    `reason` is a word or two to count by: "queue full", "deadline".
    """

    def __init__(self, message: str, *, reason: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.reason = reason


class Unavailable(ThanoSQLError):
    """A service cannot be reached."""


class TimedOut(ThanoSQLError):
    """The answer did not come in time."""


class Cancelled(ThanoSQLError):
    """The work was stopped on request."""


class InternalError(ThanoSQLError):
    """A fault of ours; `request_id` finds it in the service's log."""


def stopping(service: str, more: str = "") -> Unavailable:
    """What callers of a service get that is about to end: `stopping("query")`; `more` goes on with the sentence."""
    return Unavailable(f"{service}_service is stopping{more}", hint="Run the statement again when it is back.")
