"""The rows of one statement as they come, for results that are too large to hold."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from thanosql.result import read_batches
from thanosql.types import Event, Rows

if TYPE_CHECKING:
    import pyarrow as pa


class RowStream(Iterator["pa.RecordBatch"]):
    """Gives record batches one after the other; holds one of them at a time.

    The server runs ahead only as far as its memory and disk for one result go, so that a slow reader holds it back.
    Where a library takes Arrow's streams (`__arrow_c_stream__`), it takes this: polars.from_arrow(session.stream(…)).
    Close it, or use it as a context manager, to stop the statement early.
    """

    def __init__(self, events: Generator[Event]) -> None:
        self._events = events
        self._batches = self._read()
        self._first: pa.RecordBatch | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        first, self._first = self._first, None
        return next(self._batches) if first is None else first

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns; waits for the first rows. None at all for an effect."""
        import pyarrow as pa

        if self._first is None:
            self._first = next(self._batches, None)
        return pa.schema([]) if self._first is None else self._first.schema

    def to_reader(self) -> pa.RecordBatchReader:
        """The same rows as pyarrow reads them."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_reader().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Stops the statement, if it still runs."""
        self._batches.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<thanosql rows, as they come>"

    def _read(self) -> Generator[pa.RecordBatch]:
        for event in self._events:
            if isinstance(event.event, Rows):
                yield from read_batches(event.event)
