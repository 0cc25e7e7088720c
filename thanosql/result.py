"""What a statement gave: its rows, clips, notices and closing message."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from thanosql.room import STEP, Available, available_bytes, require_room
from thanosql.types import Clip, Event, Notice, Rows, StatementDone, StatementStarted

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of one statement.

    Iterate it for rows as named tuples, or take all of them with `to_arrow()` or `to_pandas()`. A notebook shows it as
    a table, or as players for the clips of PRINT AUDIO; `print(result)` gives the same in plain text.
    """

    kind: str
    """"SELECT", "PREDICT", "BUILD MODEL", …"""
    statement: str
    """The statement's text."""
    batches: tuple[pa.RecordBatch, ...] = ()
    """The rows, as they came."""
    clips: tuple[Clip, ...] = ()
    """Recordings to play, of PRINT AUDIO."""
    notices: tuple[Notice, ...] = ()
    """What the services had to say beside the rows."""
    message: str = ""
    """"Success" for an effect (COPY, DROP …); empty where there are rows."""
    rows: int = 0
    """Rows returned, or touched by an effect."""
    seconds: float = 0.0
    """How long the statement took, on the server."""
    id: str = ""
    """Under which it ran, for `Session.attach`; statements of one text share it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in their order; none for an effect."""
        return tuple(self.batches[0].schema.names) if self.batches else ()

    def __len__(self) -> int:
        """Rows that the result holds: 0 for an effect."""
        return sum(batch.num_rows for batch in self.batches)

    def __bool__(self) -> bool:
        """A statement that went well is true, with rows or without."""
        return True

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Rows as named tuples; a column whose name is no identifier is reached by its place."""
        for batch in self.batches:
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield self._row(*values)

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns; none for an effect."""
        import pyarrow as pa

        return self.batches[0].schema if self.batches else pa.schema([])

    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table; one without columns for an effect."""
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches)) if self.batches else pa.table({})

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a pandas data frame; an empty one for an effect.

        Days and moments are datetime64, decimal numbers float64. Whole numbers and truth values among which NULL stands
        keep their kind (Int64, boolean) and have pandas.NA there.

        Raises:
            DataError: the memory that is left is too little for it.
        """
        from thanosql.data_frames import make_pandas

        table = self.to_arrow()
        if table.nbytes >= STEP:
            require_room(table.nbytes, len(table), "made a data frame")
        return make_pandas(table)

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars data frame; an empty one for an effect.

        Raises:
            Unavailable: polars is not installed.
        """
        from thanosql.data_frames import make_polars

        return make_polars(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """For libraries that take Arrow's streams: duckdb, polars, pandas 3 and others."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def show(self, rows: int | None = None) -> None:
        """Shows the result: in a notebook as a table or players under the cell, elsewhere as text.

        Args:
            rows: How many rows; 0: all; None: as many as suit a page, in a notebook with more at a click.
        """
        from thanosql.notebook.showing import show_result

        show_result(self, rows)

    @cached_property
    def _row(self) -> Any:
        return namedtuple("Row", self.columns, rename=True)

    def __repr__(self) -> str:
        from thanosql.tables import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from thanosql.notebook.output import as_html

        return as_html(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


@dataclass
class Collector:
    """Gathers the events of one statement into its `Result`."""

    started: StatementStarted
    batches: list[pa.RecordBatch] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    available: Available = available_bytes
    """Tells how much memory there is."""
    _looked_at: int = 0
    _size: int = 0

    def add(self, event: Event) -> Result | None:
        """The statement's result, when `event` is its end.

        Raises:
            DataError: the rows find no room in memory.
        """
        what = event.event
        if isinstance(what, Rows):
            self.batches.extend(read_batches(what))
            self._size += len(what.ipc)
            if self._size - self._looked_at >= STEP:
                self._looked_at = self._size
                require_room(STEP, sum(each.num_rows for each in self.batches), "held", self.available)
        elif isinstance(what, Clip):
            self.clips.append(what)
        elif isinstance(what, Notice):
            self.notices.append(what)
        elif isinstance(what, StatementDone):
            return Result(
                kind=self.started.kind,
                statement=self.started.statement,
                batches=tuple(self.batches),
                clips=tuple(self.clips),
                notices=tuple(self.notices),
                message=what.message,
                rows=what.rows,
                seconds=what.seconds,
                id=self.started.query_id,
            )
        return None


def read_batches(rows: Rows) -> Iterator[pa.RecordBatch]:
    """The record batches of an Arrow IPC stream; one without rows where there are none, for its schema."""
    import pyarrow as pa

    with pa.ipc.open_stream(rows.ipc) as stream:
        empty = True
        for batch in stream:
            empty = False
            yield batch
        if empty:
            yield pa.RecordBatch.from_pylist([], schema=stream.schema)
