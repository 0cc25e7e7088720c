"""The exceptions that PEP 249 asks for, and which of them stands for which of ours.

    Exception
    ├─ Warning
    └─ Error
       ├─ InterfaceError          a cursor or connection is used as it cannot be
       └─ DatabaseError
          ├─ DataError            the content of a file, a column or a parameter cannot be used
          ├─ OperationalError     the server, a job, a file or the connection: not the statement
          ├─ IntegrityError       never raised: tables have no constraints
          ├─ InternalError        a fault of ours
          ├─ ProgrammingError     the statement is wrong, or asks for what its token may not
          └─ NotSupportedError    understood, and not to be had here

What `thanosql.errors` says is the text of each, and the exception itself its `__cause__`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager

from thanosql import errors as ours


class Warning(builtins.Warning):
    """What a statement had to say beside its rows; in `Cursor.messages`, never raised."""


class Error(Exception):
    """What can go wrong."""


class InterfaceError(Error):
    """A cursor or connection is used as it cannot be: it is closed, or has no rows to fetch."""


class DatabaseError(Error):
    """A failure that the server tells of."""


class DataError(DatabaseError):
    """The content of a file, a column or a parameter cannot be used."""


class OperationalError(DatabaseError):
    """The server, a job, a file or the connection failed; the statement may be right."""


class IntegrityError(DatabaseError):
    """Never raised: tables have no constraints."""


class InternalError(DatabaseError):
    """A fault of ours."""


class ProgrammingError(DatabaseError):
    """The statement is wrong, or asks for what its token may not."""


class NotSupportedError(DatabaseError):
    """Understood, and not to be had here."""


STANDS_FOR: dict[type[ours.ThanoSQLError], type[Error]] = {
    ours.ThanoSQLError: DatabaseError,
    ours.StatementError: ProgrammingError,
    ours.NotSupported: NotSupportedError,
    ours.InvalidRequest: ProgrammingError,
    ours.NotFound: OperationalError,
    ours.NameTaken: ProgrammingError,
    ours.PathRefused: ProgrammingError,
    ours.DataError: DataError,
    ours.BaseModelUnavailable: OperationalError,
    ours.JobFailed: OperationalError,
    ours.LeaseLost: OperationalError,
    ours.Unauthenticated: OperationalError,
    ours.PermissionDenied: ProgrammingError,
    ours.Overloaded: OperationalError,
    ours.Unavailable: OperationalError,
    ours.TimedOut: OperationalError,
    ours.Cancelled: OperationalError,
    ours.InternalError: InternalError,
}
"""Ours and PEP 249's; what is not in it goes as the class above it does."""


def to_standard(error: ours.ThanoSQLError) -> Error:
    """The exception of PEP 249 that says what `error` says.

    >>> type(to_standard(ours.UnknownTable("there is no table calls"))).__name__
    'ProgrammingError'
    """
    kind = next(STANDS_FOR[each] for each in type(error).__mro__ if each in STANDS_FOR)
    return kind(str(error))


@contextmanager
def standard_errors() -> Iterator[None]:
    """Raises ours as PEP 249's while the block lasts."""
    try:
        yield
    except ours.ThanoSQLError as error:
        raise to_standard(error) from error
