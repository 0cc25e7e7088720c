"""The results of a text, one statement after the other, for a cursor: streamed where that is safe, else held."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from thanosql.dbapi.rows import RowReader
from thanosql.result import Collector, Result, read_batches
from thanosql.statement_text import split
from thanosql.types import Clip, Event, Notice, Rows, StatementDone, StatementStarted

if TYPE_CHECKING:
    import pyarrow as pa

    from thanosql.session import Session

STREAMED = ("SELECT", "PREDICT", "EVALUATE", "LIST", "DESCRIBE")
"""Kinds of statements that change nothing, so that one whose rows nobody wants any more may be stopped."""


class StatementResult(Protocol):
    """What a cursor shows of one statement."""

    rows: RowReader | None
    """None: it has none."""
    count: int
    """Rows that it has given or touched; -1 while that is not known."""

    def close(self) -> None:
        """Stops the statement, if it still runs."""


@dataclass
class HeldResult:
    """The result of a statement that has ended."""

    rows: RowReader | None
    count: int

    def close(self) -> None:
        """Nothing runs any more."""


class StreamedResult:
    """The result of a statement that runs: its first rows have come, the others are read as they are asked for."""

    def __init__(self, first: Rows, events: Generator[Event], notices: list[Notice]) -> None:
        self.count = -1
        self._events, self._notices = events, notices
        batches = self._read(first)
        begin = next(batches)
        self.rows: RowReader | None = RowReader(begin.schema, _again(begin, batches))

    def close(self) -> None:
        """Stops the statement, if it still runs."""
        self._events.close()

    def _read(self, first: Rows) -> Iterator[pa.RecordBatch]:
        yield from read_batches(first)
        for event in self._events:
            if isinstance(event.event, Rows):
                yield from read_batches(event.event)
            elif isinstance(event.event, Notice):
                self._notices.append(event.event)
            elif isinstance(event.event, StatementDone):
                self.count = event.event.rows


def run(session: Session, text: str, parameters: Any, notices: list[Notice]) -> Iterator[StatementResult]:
    """The result of each statement of `text`; nothing runs before the first is asked for.

    Args:
        session: Runs them.
        text: One statement or several. Several are all run before the first result is given, so that a caller who
            wants only that does not stop the others.
        parameters: As in `Session.sql`.
        notices: What the services have to say is added to it, as it comes.

    Raises:
        ThanoSQLError: the first failure.
    """
    results = _run(session, text, parameters, notices)
    return results if _is_one(text) else iter(list(results))


def _run(session: Session, text: str, parameters: Any, notices: list[Notice]) -> Iterator[StatementResult]:
    is_streamed = _is_one(text)
    events = session.events(text, parameters or None, progress=False)
    collector = Collector(StatementStarted("", 0, "", ""))
    for event in events:
        if isinstance(event.event, StatementStarted):
            collector = Collector(event.event)
        elif isinstance(event.event, Notice):
            notices.append(event.event)
        elif isinstance(event.event, Rows) and is_streamed and collector.started.kind.startswith(STREAMED):
            yield StreamedResult(event.event, events, notices)
            return
        elif (result := collector.add(event)) is not None:
            yield _held(result)


def _is_one(text: str) -> bool:
    return len(split(text)) <= 1


def _held(result: Result) -> HeldResult:
    batches = [_as_row(clip) for clip in result.clips] or list(result.batches)
    rows = RowReader(batches[0].schema, iter(batches)) if batches else None
    return HeldResult(rows, len(result.clips) or result.rows)


def _as_row(clip: Clip) -> pa.RecordBatch:
    """A recording of PRINT AUDIO, and its caption as JSON."""
    import json

    import pyarrow as pa

    caption = json.dumps({each.column: each.text for each in clip.caption}, ensure_ascii=False)
    columns: dict[str, pa.Array[Any]] = {
        "path": pa.array([clip.path]),
        "seconds": pa.array([clip.seconds]),
        "media_type": pa.array([clip.media_type]),
        "audio": pa.array([clip.audio], pa.binary()),
        "caption": pa.array([caption]),
        "error": pa.array([clip.error or None], pa.string()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _again(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
