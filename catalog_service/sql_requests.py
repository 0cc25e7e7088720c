"""Takes apart the stream of a statement that rows come with: the statement first, then the rows of each relation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import grpc
import pyarrow as pa

from catalog_service.tables.store import Relations
from thanosql.errors import Cancelled, DataError
from thanosql.types import RelationRows, SqlStart

Requests = Iterator[SqlStart | RelationRows | None]
"""What the messages of the stream say; None: one that says nothing."""


def read_start(requests: Requests) -> tuple[SqlStart, Relations]:
    """The statement, and its relations, whose rows come from `requests` while they are iterated, in order.

    Raises:
        DataError: the stream does not begin with a statement; or, while the rows are read, is not as `SqlRequest` says.
    """
    # One generator for all: to drop the first would close the stream under it.
    requests = _until_cancelled(requests)
    start = next(requests, None)
    if not isinstance(start, SqlStart):
        raise DataError("a statement must come before the rows of its relations", hint="Send SqlStart first.")
    return start, _relations(start.relations, requests)


def _relations(names: tuple[str, ...], requests: Requests) -> Relations:
    groups = groupby((_rows(request) for request in requests), key=lambda rows: rows.relation)

    def batches(place: int, name: str) -> Iterator[pa.RecordBatch]:
        found, group = next(groups, (None, iter(())))
        if found != place:
            raise DataError(
                f"the rows of relation {place}, {name}, are expected, and "
                + ("the stream has ended" if found is None else f"those of relation {found} came"),
                hint="Send the relations in their order, each with at least one message.",
            )
        for message in group:
            yield from _batches(message)

    return [(name, batches(place, name)) for place, name in enumerate(names)]


def _rows(request: SqlStart | RelationRows | None) -> RelationRows:
    if not isinstance(request, RelationRows):
        raise DataError("one stream has one statement and the rows of its relations, and something else came")
    return request


def _batches(message: RelationRows) -> Iterator[pa.RecordBatch]:
    try:
        with pa.ipc.open_stream(message.rows.ipc) as reader:
            empty = True
            for batch in reader:
                empty = False
                yield batch
            if empty:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)
    except pa.ArrowInvalid as error:
        raise DataError(f"the rows of relation {message.relation} are not an Arrow stream: {error}") from error


def _until_cancelled(requests: Requests) -> Requests:
    """The same; where the caller has gone, gRPC raises what no caller will read."""
    try:
        yield from requests
    except grpc.RpcError as error:
        raise Cancelled("the caller has gone") from error
