"""What the steps of a plan work with, and what each leaves to the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from query_service.config import QueryConfig
from query_service.language.source import Source
from query_service.planning.steps import TableQuery
from query_service.running.cancellation import Cancellation
from query_service.running.event_log import Payload
from query_service.running.services import Services
from query_service.running.spool import RowSpool
from query_service.running.status import Queries
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.recordings import Result
from thanosql.errors import ThanoSQLError
from thanosql.types import AudioKey, Rows, Snapshot

log = logging.getLogger(__name__)

SUCCESS = "Success"
"""What an effect says at its end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step leaves behind."""

    rows: int = 0
    """Rows returned, or touched by an effect."""
    message: str = ""
    """"Success" for effects."""
    version: int = 0
    """Version of the model that the step made."""


Steps = Generator[Payload, None, Outcome]
"""A step at work: yields what happens, returns what it leaves."""


@dataclass(frozen=True)
class Work:
    """One statement at work."""

    config: QueryConfig
    services: Services
    cancellation: Cancellation
    source: Source
    snapshot: Snapshot
    query_id: str
    """The id under which the statement runs."""
    queries: Queries
    """The queries of this service."""
    query_at: int = 0
    """Where the statement's query, or the statement, begins in the user's text."""
    clock: Callable[[], float] = field(default=time.monotonic)
    relations: dict[str, RowSpool] = field(default_factory=dict)
    """Rows that steps have left for later ones, by the name that their queries have for them."""
    transcripts: dict[tuple[Hearing, AudioKey | str], Result] = field(default_factory=dict)
    """What the model has said in this statement: by file, and by the hash of its bytes."""

    runners: Mapping[type[Any], Callable[[Any, Work], Steps]] = field(default_factory=dict, repr=False)
    """What carries out a step of each kind, for steps inside others."""

    @property
    def workspace(self) -> Path:
        """Root of the paths in statements."""
        return self.config.workspace

    def query(self, query: TableQuery) -> Iterator[Rows]:
        """The rows of a query, over the tables and over what earlier steps have left."""
        if not query.relations:
            return self.services.catalog.query(query.sql)
        return self.services.catalog.query_relations(query.sql, self.relations_of(query))

    def relations_of(self, query: TableQuery) -> dict[str, Iterable[Rows]]:
        """What earlier steps have left for this query."""
        return {name: self.relations[name].read() for name in query.relations}

    def close(self) -> None:
        """Forgets the rows that steps have left."""
        for spool in self.relations.values():
            spool.close()

    @contextmanager
    def cleanup(self, what: str) -> Iterator[Services]:
        """Services for what must be done even though the query was stopped; a failure is logged, not raised."""
        services = self.services.another()
        try:
            yield services
        except ThanoSQLError as error:
            log.warning("%s: %s", what, error.message)
        finally:
            services.close()
