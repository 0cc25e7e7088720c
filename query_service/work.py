"""What the steps of a plan work with, and what each leaves to the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from query_service.cancellation import Cancellation
from query_service.config import QueryConfig
from query_service.event_log import Payload
from query_service.services import Services
from query_service.source import Source
from thanosql.errors import ThanoSQLError
from thanosql.types import Snapshot

log = logging.getLogger(__name__)


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
    query_at: int = 0
    """Where the statement's query, or the statement, begins in the user's text."""
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def workspace(self) -> Path:
        """Root of the paths in statements."""
        return self.config.workspace

    @contextmanager
    def cleanup(self, what: str) -> Iterator[Services]:
        """Services for what must be done even though the query was stopped; a failure is logged, not raised."""
        services = Services(self.config)
        try:
            yield services
        except ThanoSQLError as error:
            log.warning("%s: %s", what, error.message)
        finally:
            services.close()
