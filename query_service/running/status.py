"""What is known of the queries that run or have lately ended, as the statements about jobs see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from query_service.monitoring.figures import QueryFigures
from query_service.running.arrow import count_rows
from query_service.running.event_log import Payload
from thanosql.types import JobState, Progress, Rows, StatementDone, StatementStarted
from thanosql.workspace import DEFAULT_WORKSPACE

LEAST_CHARACTERS = 4
"""Of an id that make it known, where no other begins with them."""


@dataclass(frozen=True, slots=True)
class QueryStatus:
    """How far a query is: its text is one statement or several, of which one runs at a time."""

    id: str
    text: str
    who: str
    """Who sent it: the name of a token, or what the caller says of itself: user@host, or an address."""
    started_at: datetime
    state: JobState = JobState.RUNNING
    index: int = 0
    """Of the statement that runs, or ran last, counted from 0."""
    kind: str = ""
    """Of that statement: "PREDICT"; empty before the first begins."""
    statement: str = ""
    model: str = ""
    """The model that it names."""
    progress: Progress | None = None
    rows: int = 0
    """Rows that it has given so far, or touched."""
    job: str = ""
    """Id of the training job that it is about."""
    next_event: int = 0
    """Number of the event that comes next."""
    ended_at: datetime | None = None
    error: str = ""
    was_read: bool = False
    """Somebody has read it to its end."""
    workspace: str = DEFAULT_WORKSPACE
    """To which it belongs."""
    token: str = ""
    """Id of the token that sent it; empty: it came without one, or with the installation's secret."""

    def after(self, payload: Payload) -> QueryStatus:
        """The status once `payload` has happened."""
        if isinstance(payload, StatementStarted):
            return replace(
                self,
                index=payload.index,
                kind=payload.kind,
                statement=payload.statement,
                model="",
                progress=None,
                rows=0,
                job="",
            )
        if isinstance(payload, Rows):
            return replace(self, rows=self.rows + count_rows(payload))
        if isinstance(payload, Progress):
            return replace(self, progress=payload)
        if isinstance(payload, StatementDone):
            return replace(self, rows=payload.rows)
        return self


class Queries(Protocol):
    """The queries of this service, for a statement that asks about others or tells of itself."""

    @property
    def figures(self) -> QueryFigures:
        """What the statements have done."""

    def list_queries(self) -> Sequence[QueryStatus]:
        """Those that run or are still held, the newest first."""

    def stop_query(self, query_id: str, by: str) -> bool:
        """Stops a query on behalf of the query `by`; True: it has ended."""

    def tell(self, query_id: str, *, model: str = "", job: str = "") -> None:
        """The statement that runs names a model, or is about a training job."""
