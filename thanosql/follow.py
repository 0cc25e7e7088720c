"""The events of one query, from its first to its last, through connections that break."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Protocol

from thanosql.errors import Cancelled, NotFound, ThanoSQLError, Unavailable
from thanosql.types import Event, Notice, Severity

PATIENCE = 30.0
"""Seconds for which a broken stream is taken up again before the query is given up."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.0


class QueryCalls(Protocol):
    """What this module needs of `thanosql.clients.QueryClient`."""

    def execute(self, text: str, query_id: str = "") -> Iterator[Event]:
        """Starts a query."""

    def attach(self, query_id: str, next_event: int) -> Iterator[Event]:
        """Follows a query that was started before."""

    def cancel(self, query_id: str) -> bool:
        """Stops a query."""


def follow(
    client: QueryCalls,
    text: str,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Event]:
    """Runs `text` and yields its events, each once and in order.

    The query is cancelled on the server when the caller stops early: by closing the generator, or by Ctrl-C.

    Raises:
        Unavailable: the connection broke, and stayed broken for `patience` seconds.
        ThanoSQLError: what the server says.
    """
    query_id = str(uuid.uuid4())
    ended = False
    try:
        yield from _through_breaks(client, client.execute(text, query_id), query_id, 0, patience, clock, sleep)
        ended = True
    except ThanoSQLError:
        ended = True
        raise
    finally:
        if not ended:
            with suppress(ThanoSQLError):
                client.cancel(query_id)


def rejoin(
    client: QueryCalls,
    query_id: str,
    next_event: int = 0,
    *,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Event]:
    """Yields the events of a query that was sent before, from `next_event` on, each once and in order.

    The query goes on when the caller stops early.

    Raises:
        NotFound: the server knows no such query, or holds that event no longer.
        Unavailable: the connection broke, and stayed broken for `patience` seconds.
        ThanoSQLError: what the server says.
    """
    events = client.attach(query_id, next_event)
    return _through_breaks(client, events, query_id, next_event, patience, clock, sleep)


def _through_breaks(
    client: QueryCalls,
    events: Iterator[Event],
    query_id: str,
    next_event: int,
    patience: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Generator[Event]:
    """`events`, and where their stream breaks those of another, from the next event on."""
    given_up_at = pause = 0.0
    while True:
        try:
            for event in events:
                next_event, pause = event.number + 1, 0.0
                yield event
            return
        except (Unavailable, Cancelled) as error:
            if not error.by_transport:  # the statement itself ended so
                raise
            if not pause:
                given_up_at, pause = clock() + patience, FIRST_PAUSE
            elif clock() >= given_up_at:
                raise _lost(error, patience, query_id) from None
            else:
                pause = min(LONGEST_PAUSE, 2 * pause)
                if pause == 2 * FIRST_PAUSE:
                    text = f"The connection is broken; trying for {patience:.0f} s to take the statement up again."
                    yield Event(next_event, Notice(text, Severity.WARNING))
            sleep(pause)
            events = client.attach(query_id, next_event)
        except NotFound as error:
            if not pause:
                raise
            raise _lost(error, patience, query_id) from None


def _lost(error: ThanoSQLError, patience: float, query_id: str) -> Unavailable:
    if isinstance(error, NotFound):
        return Unavailable(
            "the connection broke while the statement ran, and the server, started anew, no longer knows the statement",
            hint="See what it has done (LIST JOBS, LIST TABLE, LIST MODEL) before you run it again. A training goes on "
            "by itself, and RESUME JOB follows it; PREDICT goes on from the transcripts that it has kept.",
        )
    return Unavailable(
        "the connection broke while the statement ran, and the server could not be reached again within "
        f"{patience:.0f} s ({error.message})",
        hint="If the server still runs, so does the statement: when it can be reached again, LIST JOBS shows it, and "
        f"session.attach('{query_id[:8]}') takes it up.",
    )
