"""One query: it works in a thread of its own, whoever reads it, and says how far it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from query_service.config import QueryConfig
from query_service.running.cancellation import Cancellation
from query_service.running.event_log import EventLog, Payload
from query_service.running.status import QueryStatus
from thanosql.errors import Cancelled, InternalError, ThanoSQLError, forget_frames
from thanosql.parameters import Parameter
from thanosql.rpc.logs import set_query_id, set_request_id
from thanosql.types import JobState

log = logging.getLogger(__name__)

Work = Callable[[str, str, Cancellation, Sequence[Parameter]], Generator[Payload, None, None]]
"""Runs a text under a query id until it is done or stopped, with what stands for its parameters."""


class RunningQuery:
    """A query from its start until it is forgotten."""

    def __init__(
        self, status: QueryStatus, config: QueryConfig, clock: Callable[[], float], parameters: Sequence[Parameter] = ()
    ) -> None:
        self.id, self.text, self.parameters = status.id, status.text, tuple(parameters)
        self.cancellation = Cancellation()
        self.log = EventLog(config.log_bytes, config.unread_seconds, clock, config.log_disk_bytes)
        self.ended_at: float | None = None
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self.cancellation.when_cancelled(self.log.interrupt)
        self._status = status
        self._telling = threading.Lock()

    @property
    def status(self) -> QueryStatus:
        """How far it is."""
        return replace(self._status, next_event=self.log.next, was_read=self.log.was_read)

    @property
    def state(self) -> JobState:
        """Whether it runs, or how it ended."""
        return self._status.state

    def tell(self, change: Callable[[QueryStatus], QueryStatus]) -> None:
        """The status changes."""
        with self._telling:
            self._status = change(self._status)

    def run(self, work: Work, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        """Does the work; never raises."""
        # The calls to the other services, and what they log, go under this name.
        set_request_id(self.id)
        set_query_id(self.id)
        error: ThanoSQLError | None = None
        try:
            with closing(work(self.text, self.id, self.cancellation, self.parameters)) as payloads:
                for payload in payloads:
                    self.cancellation.check()
                    self.tell(lambda status, payload=payload: status.after(payload))  # type: ignore[misc]
                    self.log.append(payload)
        except ThanoSQLError as failure:
            error = failure
            forget_frames(error)
        except Exception as failure:
            if not self.cancellation.is_set:
                log.exception("query %s failed", self.id)
                error = InternalError(
                    "internal error", hint="This is a fault of the server: its log has the details.", request_id=self.id
                )
                error.__cause__ = failure
                forget_frames(error)
        if self.cancellation.is_set:
            error = self.cancellation.error()
        state = JobState.SUCCEEDED if error is None else JobState.FAILED
        state = JobState.CANCELLED if isinstance(error, Cancelled) else state
        message = error.message if error is not None else ""
        self.tell(lambda status: replace(status, state=state, error=message, ended_at=now()))
        self.ended_at = clock()
        self.log.close(error)
        self.ended.set()
