"""A cursor as PEP 249 has it: runs a statement and gives its rows, read from the server as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from thanosql.dbapi.errors import DataError, InterfaceError, Warning, standard_errors
from thanosql.dbapi.kinds import type_code
from thanosql.dbapi.many import Parameters, join_rows
from thanosql.dbapi.results import HeldResult, StatementResult, run
from thanosql.dbapi.rows import RowReader

if TYPE_CHECKING:
    import pyarrow as pa

    from thanosql.dbapi.connection import Connection
    from thanosql.types import Notice

Row = tuple[Any, ...]
ColumnDescription = tuple[str, str, None, None, int | None, int | None, bool | None]
"""Name, type ("bigint"), then what is told of decimals only: precision and scale; whether it may be NULL: always."""


class Cursor:
    """Made by `Connection.cursor`; for one thread at a time."""

    arraysize = 1
    """Rows that `fetchmany` gives where nothing else is said."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lastrowid: None = None
        """Always None: rows have no ids of their own."""
        self._is_closed = False
        self._notices: list[Notice] = []
        self._results: Iterator[StatementResult] = iter(())
        self._result: StatementResult | None = None

    @property
    def description(self) -> Sequence[ColumnDescription] | None:
        """A tuple of seven for each column; None where there are no rows to fetch."""
        if self._result is None or self._result.rows is None:
            return None
        return [_describe(field) for field in self._result.rows.schema]

    @property
    def rowcount(self) -> int:
        """Rows that the statement has given or touched; -1 before its last row has come."""
        return self._result.count if self._result is not None else -1

    @property
    def messages(self) -> list[tuple[type[Warning], str]]:
        """What the services had to say of the last statement, beside its rows."""
        return [(Warning, each.text) for each in self._notices]

    def execute(self, operation: str, parameters: Parameters | None = None) -> Self:
        """Runs a statement, and waits for its first row, or for its end if it changes something.

        Args:
            operation: One statement; or several separated by `;`, which all run now, and are held for `nextset`.
            parameters: A mapping for `:name`, a sequence for `?`. They never become part of the text.

        Raises:
            ProgrammingError: the statement is wrong.
            Error: see `thanosql.dbapi.errors`.
        """
        self._check_open()
        self._stop()
        session = self.connection.session
        with standard_errors():
            self._notices = []
            self._results = run(session, operation, parameters, self._notices)
            self._result = next(self._results, None)
        if self._result is None:
            raise DataError('there is no statement in the text. For a start: cursor.execute("LIST TABLES")')
        if self._result.rows is None:
            self.connection.note_change()
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Parameters]) -> Self:
        """Runs a statement once for each of the parameters; INSERT … VALUES (…) takes thousands of rows at a time.

        Each of its statements is done, whole or not at all, before the next: after a failure, the rows of those before
        it are there. For more than some ten thousand rows, `session.upload` a file and COPY it.

        Raises:
            Error: see `execute`.
        """
        self._check_open()
        rows = list(seq_of_parameters)
        try:
            joined = join_rows(operation, rows)
            statements = joined if joined is not None else ((operation, each) for each in rows)
            count = sum(max(0, self.execute(text, parameters).rowcount) for text, parameters in statements)
        except KeyError as error:
            raise DataError(f"a row of the parameters has no value for :{error.args[0]}") from None
        self._stop()
        self._result = HeldResult(None, count)
        return self

    def fetchone(self) -> Row | None:
        """The next row; None where there is none."""
        return next(iter(self._take(1)), None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows, or as many as there are; without `size`, `arraysize` of them."""
        return self._take(self.arraysize if size is None else size)

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return self._take(None)

    def fetch_arrow_table(self) -> pa.Table:
        """The rows that are left, as an Arrow table: much faster than as tuples."""
        import pyarrow as pa

        reader = self._rows()
        with standard_errors():
            return pa.Table.from_batches(list(reader.take_batches()), schema=reader.schema)

    def fetch_record_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that are left, in batches, as they come: for results that are too large to hold."""
        reader = self._rows()
        with standard_errors():
            yield from reader.take_batches()

    def nextset(self) -> bool | None:
        """Goes on to the result of the text's next statement; None where there is none."""
        self._check_open()
        with standard_errors():
            following = next(self._results, None)
        if following is None:
            return None
        self._result = following
        return True

    def setinputsizes(self, sizes: Sequence[Any], *more: Any, **named: Any) -> None:
        """Does nothing: parameters say themselves what they are."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing: values come whole."""

    def close(self) -> None:
        """Stops the statement if its rows have not all come; the cursor cannot be used any more."""
        self._is_closed = True
        self._stop()

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, count: int | None) -> list[Row]:
        reader = self._rows()
        with standard_errors():
            return reader.take(count)

    def _rows(self) -> RowReader:
        self._check_open()
        if self._result is None or self._result.rows is None:
            raise InterfaceError("there are no rows to fetch: run a statement that gives some first")
        return self._result.rows

    def _check_open(self) -> None:
        if self._is_closed:
            raise InterfaceError("the cursor is closed: take another from its connection")
        self.connection.session  # noqa: B018 - raises where it is closed

    def _stop(self) -> None:
        result, self._result, self._results = self._result, None, iter(())
        if result is not None:
            with standard_errors():
                result.close()


def _describe(field: pa.Field[Any]) -> ColumnDescription:
    import pyarrow.types

    is_decimal = pyarrow.types.is_decimal(field.type)
    precision, scale = (field.type.precision, field.type.scale) if is_decimal else (None, None)
    return field.name, type_code(field.type), None, None, precision, scale, True
