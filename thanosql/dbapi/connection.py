"""A connection as PEP 249 has it: a session that gives cursors."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from thanosql.dbapi import errors
from thanosql.dbapi.cursor import Cursor
from thanosql.dbapi.errors import InterfaceError, NotSupportedError, standard_errors

if TYPE_CHECKING:
    from thanosql.session import Session


def connect(
    address: str | None = None,
    token: str | None = None,
    *,
    workspace: str | Path | None = None,
    state: str | Path | None = None,
    tls: bool | None = None,
    ca: str | Path | None = None,
    **more: Any,
) -> Connection:
    """Opens a connection; the arguments are those of `thanosql.connect`.

    Raises:
        OperationalError: no server answers, or it wants another token.
        DatabaseError: the arguments do not go together.
    """
    import thanosql

    with standard_errors():
        return Connection(thanosql.connect(address, token, workspace=workspace, state=state, tls=tls, ca=ca, **more))


class Connection:
    """Statements take effect one by one, as if each were committed: there are no transactions.

    Threads may share it; each has a cursor of its own.

    Args:
        session: Closed together with the connection.
    """

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    autocommit = True

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session
        self._cursors: WeakSet[Cursor] = WeakSet()
        self._has_changed = False

    @property
    def session(self) -> Session:
        """What carries the statements out; for what PEP 249 has no word for: uploads, jobs, tokens.

        Raises:
            InterfaceError: the connection is closed.
        """
        if self._session is None:
            raise InterfaceError("the connection is closed: open another with thanosql.dbapi.connect()")
        return self._session

    def cursor(self) -> Cursor:
        """A cursor, on which statements run."""
        cursor = Cursor(self)
        with standard_errors():
            self.session  # noqa: B018 - raises where it is closed
        self._cursors.add(cursor)
        return cursor

    def execute(self, operation: str, parameters: Any = None) -> Cursor:
        """Runs a statement on a cursor of its own, as sqlite3 and psycopg do."""
        return self.cursor().execute(operation, parameters)

    def commit(self) -> None:
        """Does nothing: what statements have changed is changed already."""
        self.session  # noqa: B018
        self._has_changed = False

    def rollback(self) -> None:
        """Does nothing where there is nothing to take back.

        Raises:
            NotSupportedError: a statement has changed something since the last `commit`; it stays changed.
        """
        self.session  # noqa: B018
        if self._has_changed:
            self._has_changed = False
            raise NotSupportedError(
                "nothing can be rolled back: each statement takes effect, whole or not at all, before the next begins"
            )

    def note_change(self) -> None:
        """A statement has changed something, which no `rollback` takes back."""
        self._has_changed = True

    def close(self) -> None:
        """Stops what still runs, and ends the session."""
        session, self._session = self._session, None
        if session is not None:
            for cursor in list(self._cursors):
                cursor.close()
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<thanosql.dbapi connection: {self._session.where if self._session is not None else 'closed'}>"
