"""The events of a query as the body of a response: JSON, one JSON object a line, CSV, or an Arrow stream."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from thanosql.errors import DataError, ThanoSQLError
from thanosql.gateway.failures import describe
from thanosql.json_rows import as_json, describe_columns, read_rows
from thanosql.result import read_batches
from thanosql.types import Clip, Event, Notice, Progress, Rows, StatementDone, StatementStarted

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[[Iterable[Event], str], Generator[bytes]]
"""Takes events and the id of their query; gives the body in pieces, the first of them when there is a result.

An error before the first piece is raised. A later one is told in the body where the format has a place for it, and
raised where it has none.
"""


def write_json(events: Iterable[Event], query_id: str) -> Generator[bytes]:
    """One object: `{"id", "results": [{"kind", "columns", "rows", …}]}`, with "error" where it broke off."""
    document = _Document(query_id)
    try:
        for event in events:
            if piece := document.add(event.event):
                yield piece
        yield document.end()
    except ThanoSQLError as error:
        if not document.has_begun:
            raise
        yield document.end(error)


class _Document:
    """A JSON document that is written as its events come."""

    def __init__(self, query_id: str) -> None:
        self._query_id = query_id
        self._results = 0
        self._list = ""
        """The list of the current result that is open: "rows" or "clips"."""
        self._is_empty = True
        self._notices: list[dict[str, str]] = []
        self._started = StatementStarted("", 0, "", "")
        self.has_begun = False

    def add(self, event: Any) -> bytes:
        """What an event adds."""
        text = ""
        if isinstance(event, StatementStarted):
            self._started, self._notices = event, []
        elif isinstance(event, Notice):
            self._notices.append(_notice(event))
        elif isinstance(event, Rows):
            for batch in read_batches(event):
                text += self._open("rows", describe_columns(batch.schema))
                text += self._items(_dump(row) for row in read_rows(batch))
        elif isinstance(event, Clip):
            text = self._open("clips") + self._items([_dump(_clip(event))])
        elif isinstance(event, StatementDone):
            text = self._open("rows", [])
            rest = {
                "notices": self._notices,
                "message": event.message,
                "row_count": event.rows,
                "seconds": round(event.seconds, 6),
            }
            text += "]," + _dump(rest)[1:]
            self._list, self._results = "", self._results + 1
        if text:
            self.has_begun = True
        return text.encode()

    def end(self, error: ThanoSQLError | None = None) -> bytes:
        """The end of the document."""
        text = "" if self.has_begun else self._head()
        if self._list:
            text += "]}"
            self._list = ""
        text += "]"
        if error is not None:
            text += ',"error":' + _dump(describe(error))
        return (text + "}\n").encode()

    def _head(self) -> str:
        return f'{{"id":{_dump(self._query_id)},"results":['

    def _open(self, name: str, columns: list[dict[str, str]] | None = None) -> str:
        """Begins the current result, and its list, where that is not done."""
        if self._list:
            return ""
        self._list, self._is_empty = name, True
        begin: dict[str, Any] = {"index": self._started.index, "kind": self._started.kind}
        if columns is not None:
            begin["columns"] = columns
        return (
            ("" if self.has_begun else self._head())
            + ("," if self._results else "")
            + _dump(begin)[:-1]
            + f',"{name}":['
        )

    def _items(self, items: Iterable[str]) -> str:
        text = ",".join(items)
        if not text:
            return ""
        comma, self._is_empty = "" if self._is_empty else ",", False
        return comma + text


def write_lines(events: Iterable[Event], query_id: str) -> Generator[bytes]:
    """Every event as an object on a line of its own, progress too; the last may be the error."""
    try:
        for event in events:
            for told in _lines(event.event):
                yield _line({"event": told.pop("event"), "number": event.number, **told})
    except ThanoSQLError as error:
        yield _line({"event": "error", "id": query_id, "error": describe(error)})


def _lines(event: Any) -> Generator[dict[str, Any]]:
    if isinstance(event, StatementStarted):
        yield {"event": "started", "id": event.query_id, "index": event.index, "kind": event.kind}
    elif isinstance(event, Rows):
        for batch in read_batches(event):
            yield {"event": "rows", "columns": describe_columns(batch.schema), "rows": list(read_rows(batch))}
    elif isinstance(event, Progress):
        told = {name: getattr(event, name) for name in ("phase", "done", "total", "unit", "rate", "seconds_left")}
        yield {"event": "progress", **as_json(told), "figures": as_json(dict(event.figures))}
    elif isinstance(event, Notice):
        yield {"event": "notice", **_notice(event)}
    elif isinstance(event, Clip):
        yield {"event": "clip", **_clip(event)}
    elif isinstance(event, StatementDone):
        yield {
            "event": "done",
            "index": event.index,
            "message": event.message,
            "row_count": event.rows,
            "seconds": round(event.seconds, 6),
        }


def write_csv(events: Iterable[Event], query_id: str) -> Generator[bytes]:  # noqa: ARG001 (as the others)
    """The rows as CSV with a head; NULL is an empty field, and an empty text stands in quotation marks."""
    import pyarrow as pa
    from pyarrow import csv

    sink: io.BytesIO = io.BytesIO()
    writer: csv.CSVWriter | None = None
    for batch in _only_table(events):
        flat = _flatten(batch)
        if writer is None:
            writer = csv.CSVWriter(sink, flat.schema)
        writer.write_table(pa.Table.from_batches([flat]))
        yield _taken(sink)
    if writer is not None:
        writer.close()
    yield _taken(sink)


def write_arrow(events: Iterable[Event], query_id: str) -> Generator[bytes]:  # noqa: ARG001 (as the others)
    """The rows as one Arrow IPC stream; without columns where there are none."""
    import pyarrow as pa

    sink: io.BytesIO = io.BytesIO()
    writer: pa.RecordBatchStreamWriter | None = None
    for batch in _only_table(events):
        writer = writer or pa.ipc.new_stream(sink, batch.schema)
        writer.write_batch(batch)
        yield _taken(sink)
    (writer or pa.ipc.new_stream(sink, pa.schema([]))).close()
    yield _taken(sink)


FORMATS: dict[str, tuple[Write, str]] = {
    "application/json": (write_json, "application/json"),
    "application/x-ndjson": (write_lines, "application/x-ndjson"),
    "text/csv": (write_csv, "text/csv; charset=utf-8; header=present"),
    "application/vnd.apache.arrow.stream": (write_arrow, "application/vnd.apache.arrow.stream"),
}
"""By the name in the header Accept, the first where nothing is asked for; with what stands in Content-Type."""


def _only_table(events: Iterable[Event]) -> Generator[pa.RecordBatch]:
    """The batches of the one statement that has rows.

    Raises:
        DataError: there is a second.
    """
    index, found = 0, -1
    for event in events:
        if isinstance(event.event, StatementStarted):
            index = event.event.index
        elif isinstance(event.event, Rows):
            if found not in (-1, index):
                raise DataError(
                    "two statements of the text have rows, and this format holds one table",
                    hint="Send them one by one, or ask for application/json.",
                )
            found = index
            yield from read_batches(event.event)


def _flatten(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Lists, structures and bytes as text, since CSV has only that."""
    import pyarrow as pa

    columns: list[pa.Array[Any]] = []
    for number, column in enumerate(batch.columns):
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            values = [row[0] for row in read_rows(batch.select([number]))]
            texts = [None if each is None else each if isinstance(each, str) else _dump(each) for each in values]
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _taken(sink: io.BytesIO) -> bytes:
    """What has been written since the last time."""
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece


def _notice(notice: Notice) -> dict[str, str]:
    return {"severity": notice.severity.value, "text": notice.text}


def _clip(clip: Clip) -> dict[str, Any]:
    return {
        "path": clip.path,
        "media_type": clip.media_type,
        "seconds": round(clip.seconds, 3),
        "caption": {each.column: each.text for each in clip.caption},
        "error": clip.error or None,
        "audio": base64.b64encode(clip.audio).decode(),
    }


def _line(value: Any) -> bytes:
    return (_dump(value) + "\n").encode()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
