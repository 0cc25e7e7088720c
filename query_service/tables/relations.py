"""Rows of nested statements: kept for the queries around them, or handed on through a query as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pyarrow as pa

from query_service.planning import steps as p
from query_service.running.arrow import read_rows, to_rows
from query_service.running.spool import RowSpool
from query_service.running.walk import walk
from query_service.running.work import Outcome, Steps, Work
from thanosql.errors import StatementError
from thanosql.types import Rows


def keep_rows(step: p.KeepRows, work: Work) -> Steps:
    """Keeps the rows of the steps inside, and tells what else happens in them."""
    spool = work.relations[step.relation] = RowSpool()
    with closing(walk(step.steps, replace(work, query_at=step.at))) as events:
        for event in events:
            if isinstance(event, Rows):
                if not spool.rows:
                    _check_names(step.at, work, next(read_rows(event)).schema)
                spool.add(event)
            else:
                yield event
    return Outcome(spool.rows)


def stream_rows(step: p.StreamRows, work: Work) -> Steps:
    """Hands the rows of the steps inside on, through a query, and stops the steps when there are enough."""
    cut = _Cut(step.offset, step.limit)
    is_first = True
    with closing(walk(step.steps, replace(work, query_at=step.at))) as events:
        for event in events:
            if not isinstance(event, Rows):
                yield event
                continue
            if is_first:
                _check_names(step.at, work, next(read_rows(event)).schema)
            for batch in _through(step, work, event):
                part = cut.take(batch)
                if part.num_rows or is_first:
                    yield to_rows(part)
                is_first = False
            if cut.is_done:
                break
    return Outcome(cut.taken)


def _through(step: p.StreamRows, work: Work, rows: Rows) -> Iterator[pa.RecordBatch]:
    results = iter((rows,))
    if step.query is not None:
        results = work.services.catalog.query_relations(step.query.sql, {step.relation: (rows,)})
    for result in results:
        yield from read_rows(result)


class _Cut:
    """OFFSET and LIMIT, over batch after batch."""

    def __init__(self, offset: int, limit: int | None) -> None:
        self._offset = offset
        self._limit = limit
        self.taken = 0

    @property
    def is_done(self) -> bool:
        """Whether no further row is wanted."""
        return self._limit is not None and self.taken >= self._limit

    def take(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The part of the next batch that belongs to the result."""
        left_out = min(self._offset, batch.num_rows)
        self._offset -= left_out
        wanted = batch.num_rows - left_out
        if self._limit is not None:
            wanted = min(wanted, self._limit - self.taken)
        self.taken += wanted
        return batch.slice(left_out, wanted)


def _check_names(at: int, work: Work, schema: pa.Schema) -> None:
    """Columns of one name could not be told apart by the query around them.

    Raises:
        StatementError: there are such columns.
    """
    twice = [name for name, count in Counter(map(str.lower, schema.names)).items() if count > 1]
    if twice:
        message = f"the rows of this statement have more than one column {twice[0]}"
        hint = "Give each column of the query inside a name of its own, with AS."
        raise work.source.error(StatementError, message, at, hint)
