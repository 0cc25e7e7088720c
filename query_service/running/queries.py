"""The queries that run or have lately ended: each works in a thread of its own, whoever reads it."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import closing
from contextvars import copy_context

from query_service.config import QueryConfig
from query_service.running.cancellation import Cancellation
from query_service.running.event_log import EventLog, Payload, Reader
from thanosql.errors import InternalError, NameTaken, NotFound, Overloaded, ThanoSQLError, stopping
from thanosql.rpc.logs import current_request_id, set_request_id

log = logging.getLogger(__name__)

Work = Callable[[str, str, Cancellation], Generator[Payload, None, None]]
"""Runs a text under a query id until it is done or stopped."""

_LONGEST_ID = 100
_CANCELLED_AHEAD = 1_000
"""Ids that are remembered as cancelled before their query came."""


class RunningQuery:
    """A query from its start until it is forgotten."""

    def __init__(self, id: str, text: str, config: QueryConfig, clock: Callable[[], float]) -> None:
        self.id = id
        self.text = text
        self.cancellation = Cancellation()
        self.log = EventLog(config.log_bytes, config.unread_seconds, clock)
        self.ended_at: float | None = None
        self.thread: threading.Thread | None = None
        self.cancellation.when_cancelled(self.log.interrupt)

    def run(self, work: Work, clock: Callable[[], float]) -> None:
        """Does the work; never raises."""
        set_request_id(self.id)  # the calls to the other services, and what they log, go under this name
        error: ThanoSQLError | None = None
        try:
            with closing(work(self.text, self.id, self.cancellation)) as payloads:
                for payload in payloads:
                    self.cancellation.check()
                    self.log.append(payload)
        except ThanoSQLError as failure:
            error = failure
        except Exception as failure:
            if not self.cancellation.is_set:
                log.exception("query %s failed", self.id)
                error = InternalError(
                    "internal error", hint="This is a fault of the server: its log has the details.", request_id=self.id
                )
                error.__cause__ = failure
        if self.cancellation.is_set:
            error = self.cancellation.error()
        self.ended_at = clock()
        self.log.close(error)


class QueryRegistry:
    """Starts, finds and stops queries.

    Args:
        config: How many, and how much of each is held.
        work: What a query does.
        clock: Seconds, never going back.
    """

    def __init__(self, config: QueryConfig, work: Work, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._work = work
        self._clock = clock
        self._lock = threading.Lock()
        self._queries: OrderedDict[str, RunningQuery] = OrderedDict()
        self._cancelled_ahead: OrderedDict[str, None] = OrderedDict()
        self._stopping = False

    def execute(self, text: str, query_id: str = "") -> Reader:
        """Starts a query and reads it from the beginning; the same query sent again is read, not run again.

        Raises:
            NameTaken: another query has that id.
            Overloaded: too many queries run.
        """
        if len(query_id) > _LONGEST_ID:
            raise NotFound(f"a query id of {len(query_id)} characters", hint=f"Use a UUID ({_LONGEST_ID} at most).")
        with self._lock:
            self._forget_old()
            query = self._queries.get(query_id) if query_id else None
            if query is not None:
                if query.text != text:
                    raise NameTaken(f"another query has the id {query_id}", hint="Choose a new UUID for each query.")
                return query.log.read(0)
            self._check_capacity()
            query = RunningQuery(query_id or self._unused_id(), text, self._config, self._clock)
            reader = query.log.read(0)
            self._queries[query.id] = query
            if self._cancelled_ahead.pop(query.id, "") is None:
                query.cancellation.cancel()
            # In a copy of the caller's context, so that the query's calls belong to the caller's trace.
            query.thread = threading.Thread(
                target=copy_context().run,
                args=(query.run, self._work, self._clock),
                name=f"query-{query.id[:8]}",
                daemon=True,
            )
            query.thread.start()
            return reader

    def attach(self, query_id: str, next_event: int = 0) -> Reader:
        """Reads a query that runs or has lately ended.

        Raises:
            NotFound: there is no such query, or the event is no longer held.
        """
        with self._lock:
            self._forget_old()
            query = self._queries.get(query_id)
        if query is None:
            raise NotFound(
                f"there is no query {query_id!r}",
                hint=f"Ended queries are kept for {self._config.kept_seconds:g} seconds. Run the statement again.",
            )
        return query.log.read(next_event)

    def cancel(self, query_id: str) -> bool:
        """Stops a query; one that has not come yet will be stopped when it does. False: it has ended, or is unknown."""
        with self._lock:
            query = self._queries.get(query_id)
            if query is None:
                self._cancelled_ahead[query_id[:_LONGEST_ID]] = None
                while len(self._cancelled_ahead) > _CANCELLED_AHEAD:
                    self._cancelled_ahead.popitem(last=False)
                return False
        return query.ended_at is None and query.cancellation.cancel()

    def stop(self, seconds: float = 2.0) -> None:
        """Stops every query; their training jobs go on without them."""
        with self._lock:
            self._stopping = True
            queries = [query for query in self._queries.values() if query.ended_at is None]
        error = stopping("query")
        for query in queries:
            query.cancellation.cancel(error, stops_jobs=False)
        deadline = self._clock() + seconds
        for query in queries:
            if query.thread is not None:
                query.thread.join(max(0.0, deadline - self._clock()))

    def _check_capacity(self) -> None:
        if self._stopping:
            raise stopping("query")
        running = sum(query.ended_at is None for query in self._queries.values())
        if running >= self._config.most_queries:
            raise Overloaded(
                f"{running} queries are running, as many as this server takes",
                hint="Try again when one has ended.",
                retry_after=2.0,
            )

    def _unused_id(self) -> str:
        """The id of the request that brings the query, where no query has it."""
        request_id = current_request_id()
        return request_id if request_id and request_id not in self._queries else str(uuid.uuid4())

    def _forget_old(self) -> None:
        now = self._clock()
        ended = [query for query in self._queries.values() if query.ended_at is not None]
        held = sum(query.log.bytes for query in ended)
        for query in sorted(ended, key=lambda each: each.ended_at or 0.0):
            if now - (query.ended_at or 0.0) >= self._config.kept_seconds or held > self._config.kept_bytes:
                held -= query.log.bytes
                del self._queries[query.id]
