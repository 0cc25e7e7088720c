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

import unicodedata
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
                indent = "".join(map(_blank, self.excerpt[: self.column - 1]))
                parts.append(f"  {' ' * len(number)} | {indent}^")
        if self.hint:
            parts.append(self.hint)
        if self.request_id:
            parts.append(f"(request id {self.request_id})")
        return "\n".join(parts)


def forget_frames(error: BaseException) -> None:
    """Frees what the frames hold that an error, and those behind it, came through: of an error that is kept."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            waiting += (each.__cause__, each.__context__)


def _blank(character: str) -> str:
    """As wide as the character: a tab stays one, and Hangul takes two cells, so that a caret stands under its place."""
    if character == "\t":
        return character
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in ("W", "F") else " "


class StatementError(ThanoSQLError):
    """The text of the statement is wrong.

    The message names the place, with a caret below it. The wrong statement has done nothing; where others stood
    before it, the message says whether they have taken effect.
    """


class StatementSyntaxError(StatementError):
    """The text is not a statement of the dialect.

    The caret stands where the text stopped to make sense, which may be a word after the slip. A text is read as a
    whole before any of its statements runs: nothing has happened.
    """


class InvalidOption(StatementError):
    """An option that does not exist, or a value that makes no sense.

    The hint names the nearest option, or the values that make sense.
    """


class UnknownTable(StatementError):
    """No table of that name.

    LIST TABLES shows those that there are. COPY and CREATE TABLE make one.
    """


class UnknownColumn(StatementError):
    """No column of that name in the query.

    DESCRIBE TABLE shows the columns of a table. PREDICT, EVALUATE and BUILD look for audio_path and text unless
    audio_col and text_col name others.
    """


class UnknownModel(StatementError):
    """No model of that name.

    LIST MODELS shows those that may stand behind USING; BUILD MODEL, GET THANOSQL MODEL and UPLOAD MODEL make one.
    """


class UnknownBaseModel(StatementError):
    """No base model of that name.

    LIST BASE MODELS shows the names. A Hugging Face repository, or a folder of the workspace with a checkpoint,
    stands in quotes.
    """


class NotSupported(StatementError):
    """Understood, and not to be had here.

    The hint says what to write instead, where there is something. From a call that an old server does not know, it
    means that the server is older than the client.
    """


class InvalidRequest(ThanoSQLError):
    """A call of the Open Inference Protocol that does not fit the model: an unknown input, another type or shape.

    ModelMetadata says which inputs a model has, with types and shapes.
    """


class NotFound(ThanoSQLError):
    """A file, job or query that is not there.

    Paths are relative to the workspace, which the message names. LIST JOBS shows jobs and statements; one that has
    ended long ago is forgotten.
    """


class NameTaken(ThanoSQLError):
    """A table or model of that name exists.

    overwrite=True replaces it; for a model that is a new version of it.
    """


class PathRefused(ThanoSQLError):
    """A path that leaves the workspace.

    Copy the file into the workspace, or upload it there, and name it by its path from the workspace's root. Links
    are followed: one that leads out is refused too.
    """


class DataError(ThanoSQLError):
    """The content of a file or column cannot be used.

    The message names the file with its line, or the row. Mend the data, or leave the rows out with WHERE.
    """


class AudioError(DataError):
    """One recording cannot be used.

    `reason` is a word or two to count by: "missing", "unreadable", "too short", "too long",
    "silent", "not finite", "path refused".
    """

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class BaseModelUnavailable(ThanoSQLError):
    """The checkpoint can be had neither from the hub nor from the disk.

    Connect to the internet once, or put the checkpoint into a folder of the workspace and name the folder.
    Wav2Vec2EnTiny comes with the product.
    """


class JobFailed(ThanoSQLError):
    """A training or export job ended badly.

    DESCRIBE JOB tells why, at which step, and after how many attempts; RESUME JOB goes on from the last checkpoint.
    """


class LeaseLost(ThanoSQLError):
    """The job is held by another trainer, or has ended.

    Trainers meet it among themselves; users do not.
    """


class Unauthenticated(ThanoSQLError):
    """No token, or a wrong one.

    Set THANOSQL_API_TOKEN, or connect(address, token=…). A token that has expired or was revoked is said to be so:
    ask an administrator for another (thanosql token create).
    """


class PermissionDenied(ThanoSQLError):
    """The token's role does not go so far.

    A reader may run what changes nothing, a writer every statement, an administrator also gives tokens.
    """


class Overloaded(ThanoSQLError):
    """The service has as much work as it can hold; `retry_after` says when that will be over.

    `reason` is a word or two to count by: "queue full", "deadline".
    """

    def __init__(self, message: str, *, reason: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.reason = reason


class Unavailable(ThanoSQLError):
    """A service cannot be reached.

    Start it (thanosql up), or mend the address. What was under way is kept on the server as far as it came: a
    PREDICT that is run again goes on where it stopped, and LIST JOBS shows a training.
    """


class TimedOut(ThanoSQLError):
    """The answer did not come in time.

    Give it more time, or find out with EXPLAIN how long it will take.
    """


class Cancelled(ThanoSQLError):
    """The work was stopped on request.

    Ctrl-C, CANCEL JOB or a client that went away. Transcripts that were made are kept, and so is a training's last
    checkpoint.
    """


class InternalError(ThanoSQLError):
    """A fault of ours; `request_id` finds it in the service's log.

    Report it with the lines of the log around that id.
    """


def stopping(service: str, more: str = "") -> Unavailable:
    """What callers of a service get that is about to end: `stopping("query")`; `more` goes on with the sentence."""
    return Unavailable(f"{service}_service is stopping{more}", hint="Run the statement again when it is back.")
