"""The queries that run or have lately ended: started, found, read, stopped and, in time, forgotten.

Each belongs to the workspace of whoever sent it, and is there for nobody else: ids count within a workspace.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime

from query_service.callers.grants import check_may_stop
from query_service.config import QueryConfig
from query_service.monitoring.figures import QueryFigures
from query_service.monitoring.metrics import HeldQueries
from query_service.running.event_log import Reader
from query_service.running.retention import choose_forgotten, rest_large
from query_service.running.running_query import RunningQuery, Work
from query_service.running.status import LEAST_CHARACTERS, QueryStatus
from thanosql.errors import Cancelled, NameTaken, NotFound, Overloaded, stopping
from thanosql.parameters import Parameter
from thanosql.rpc.identity import current_identity
from thanosql.rpc.logs import current_request_id

STOP_WITHIN = 5.0
"""Seconds for which CANCEL JOB waits for the end of what it has stopped."""

_LONGEST_ID = 100
_CANCELLED_AHEAD = 1_000
"""Ids that are remembered as cancelled before their query came."""
_SPARE = 4
"""Queries beyond `most_queries` that may ask what runs and stop it: the way out of a server that is full."""
_ABOUT_JOBS = re.compile(r"\s*(LIST\s+JOBS|(DESCRIBE|CANCEL)\s+JOB\s+\S+?)\s*;?\s*", re.IGNORECASE)


_Key = tuple[str, str]
"""The workspace of a query, and its id."""


class QueryRegistry:
    """Starts, finds and stops queries.

    Args:
        config: How many, and how much of each is held.
        work: What a query does.
        clock: Seconds, never going back.
        now: The moment, in UTC.
    """

    def __init__(
        self,
        config: QueryConfig,
        work: Work,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._work = work
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._resting = threading.Lock()
        self._queries: OrderedDict[_Key, RunningQuery] = OrderedDict()
        self._cancelled_ahead: OrderedDict[_Key, None] = OrderedDict()
        self._stopping = False
        self.figures = QueryFigures()

    def execute(self, text: str, query_id: str = "", who: str = "", parameters: Sequence[Parameter] = ()) -> Reader:
        """Starts a query and reads it from the beginning; the same query sent again is read, not run again.

        Raises:
            NameTaken: another query has that id.
            Overloaded: too many queries run.
        """
        if len(query_id) > _LONGEST_ID:
            raise NotFound(f"a query id of {len(query_id)} characters", hint=f"Use a UUID ({_LONGEST_ID} at most).")
        with self._lock:
            self._forget_old()
            query = self._queries.get(_here(query_id)) if query_id else None
            if query is not None:
                if query.text != text or query.parameters != tuple(parameters):
                    raise NameTaken(f"another query has the id {query_id}", hint="Choose a new UUID for each query.")
                return query.log.read(0)
            token = current_identity().token
            self._check_capacity(text, token)
            key = _here(query_id or self._unused_id())
            status = QueryStatus(key[1], text, who, self._now(), workspace=key[0], token=token)
            query = RunningQuery(status, self._config, self._clock, parameters)
            reader = query.log.read(0)
            self._queries[key] = query
            if self._cancelled_ahead.pop(key, "") is None:
                query.cancellation.cancel()
            # In a copy of the caller's context, so that the query's calls belong to the caller's trace.
            query.thread = threading.Thread(
                target=copy_context().run, args=(self._run, query), name=f"query-{query.id[:8]}", daemon=True
            )
            query.thread.start()
            return reader

    def attach(self, query_id: str, next_event: int = 0) -> Reader:
        """Reads a query that runs or has lately ended.

        Args:
            query_id: The first characters are enough, where no other id begins with them. The id of a training, which
                LIST JOBS shows in place of the statement that follows it, stands for that statement.
            next_event: Number of the event to begin with.

        Raises:
            NotFound: there is no such query, or the event is no longer held.
        """
        with self._lock:
            self._forget_old()
            query = self._queries.get(_here(query_id))
            if query is None and len(query_id) >= LEAST_CHARACTERS:
                meant = [each for each in self._list_here() if each.id.startswith(query_id)]
                query = meant[0] if len(meant) == 1 else None
                if len(meant) > 1:
                    ids = ", ".join(each.id for each in meant[:5])
                    raise NotFound(f"{len(meant)} statements begin with {query_id!r}", hint=f"Give more of it: {ids}.")
                query = query or self._find_follower(query_id)
        if query is None:
            raise NotFound(
                f"there is no statement {query_id!r} here: none of that id was sent, or it ended too long ago, "
                "or the server was started anew since",
                hint="LIST JOBS shows what runs, and trainings that RESUME JOB takes up. Otherwise run it again: "
                "PREDICT goes on from the transcripts that it has kept.",
            )
        return query.log.read(next_event)

    def cancel(self, query_id: str) -> bool:
        """Stops a query; one that has not come yet will be stopped when it does. False: it has ended, or is unknown.

        Raises:
            PermissionDenied: it is another's, and the caller's role is to read.
        """
        with self._lock:
            query = self._queries.get(_here(query_id))
            if query is None:
                self._cancelled_ahead[_here(query_id[:_LONGEST_ID])] = None
                while len(self._cancelled_ahead) > _CANCELLED_AHEAD:
                    self._cancelled_ahead.popitem(last=False)
                return False
        check_may_stop(current_identity(), query.status)
        return query.ended_at is None and query.cancellation.cancel()

    def list_queries(self) -> Sequence[QueryStatus]:
        """Those that run or are still held, the newest first."""
        with self._lock:
            self._forget_old()
            queries = self._list_here()
        return [query.status for query in reversed(queries)]

    def stop_query(self, query_id: str, by: str) -> bool:
        """Stops a query on behalf of the query `by`, and waits for its end a while; True: it has ended."""
        with self._lock:
            query, sender = self._queries.get(_here(query_id)), self._queries.get(_here(by))
        if query is None:
            return True
        who = f" from {sender.status.who}" if sender is not None and sender.status.who else ""
        job = query.status.job
        query.cancellation.cancel(
            Cancelled(
                f"the statement was cancelled by CANCEL JOB{who}",
                hint=f"RESUME JOB {job[:8]} goes on with the training from its last checkpoint." if job else "",
            )
        )
        return query is sender or query.ended.wait(STOP_WITHIN)

    def tell(self, query_id: str, *, model: str = "", job: str = "") -> None:
        """The statement that runs names a model, or is about a training job."""
        with self._lock:
            query = self._queries.get(_here(query_id))
        if query is not None:
            query.tell(lambda status: replace(status, model=model or status.model, job=job or status.job))

    def held(self) -> HeldQueries:
        """What the queries take that run or can still be read, whosever they are."""
        with self._lock:
            logs = [query.log for query in self._queries.values()]
        return HeldQueries(len(logs), sum(each.bytes for each in logs), sum(each.disk_bytes for each in logs))

    def stop(self, seconds: float = 2.0) -> None:
        """Stops every query; their training jobs go on without them."""
        with self._lock:
            self._stopping = True
            queries = list(self._queries.values())
        error = stopping("query")
        running = [query for query in queries if query.ended_at is None]
        for query in running:
            query.cancellation.cancel(error, stops_jobs=False)
        deadline = self._clock() + seconds
        for query in running:
            if query.thread is not None:
                query.thread.join(max(0.0, deadline - self._clock()))
        for query in queries:
            query.log.discard()

    def _list_here(self) -> list[RunningQuery]:
        """The queries of the caller's workspace."""
        workspace = current_identity().workspace
        return [query for (of, _), query in self._queries.items() if of == workspace]

    def _find_follower(self, job_id: str) -> RunningQuery | None:
        """The query that follows the training whose id is, or begins so: of several, the one that tells the most."""
        followers = [query for query in self._list_here() if query.status.job.startswith(job_id)]
        if len(jobs := sorted({query.status.job for query in followers})) > 1:
            ids = ", ".join(jobs[:5])
            raise NotFound(f"{len(jobs)} trainings begin with {job_id!r}", hint=f"Give more of it: {ids}.")
        # Those that run know how it goes now, and the first of them from the beginning; else the last knows the end.
        running = [query for query in followers if query.ended_at is None]
        return running[0] if running else followers[-1] if followers else None

    def _run(self, query: RunningQuery) -> None:
        query.run(self._work, self._clock, self._now)
        self._make_room()

    def _check_capacity(self, text: str, token: str) -> None:
        if self._stopping:
            raise stopping("query")
        running = sum(query.ended_at is None for query in self._queries.values())
        spare = _SPARE if _ABOUT_JOBS.fullmatch(text) else 0
        if running >= self._config.most_queries + spare:
            raise Overloaded(
                f"{running} queries are running, as many as this server takes",
                hint="Try again when one has ended; LIST JOBS shows them, CANCEL JOB stops one.",
                retry_after=2.0,
            )
        own = sum(query.ended_at is None and query.status.token == token for query in self._queries.values())
        if token and own >= self._config.most_queries_per_token + spare:
            raise Overloaded(
                f"{own} queries of this token are running, as many as one may have here",
                hint="Try again when one has ended; LIST JOBS shows them, CANCEL JOB stops one. The server's setting: "
                "--most-queries-per-token.",
                retry_after=2.0,
            )

    def _unused_id(self) -> str:
        """The id of the request that brings the query, where no query has it."""
        request_id = current_request_id()
        return request_id if request_id and _here(request_id) not in self._queries else str(uuid.uuid4())

    def _make_room(self) -> None:
        with self._resting:
            with self._lock:
                ended = frozenset(self._ended())
            rest_large(ended, self._config.kept_bytes)
        with self._lock:
            self._forget_old(ended)

    def _forget_old(self, rested: Set[RunningQuery] = frozenset()) -> None:
        for query in choose_forgotten(self._ended(), rested, self._config, self._clock()):
            del self._queries[query.status.workspace, query.id]
            query.log.discard()

    def _ended(self) -> list[RunningQuery]:
        return [query for query in self._queries.values() if query.ended_at is not None]


def _here(query_id: str) -> _Key:
    """The query of that id in the caller's workspace."""
    return current_identity().workspace, query_id
