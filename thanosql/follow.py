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
    next_event = 0
    events = client.execute(text, query_id)
    given_up_at = pause = 0.0
    ended = False
    try:
        while True:
            try:
                for event in events:
                    next_event, pause = event.number + 1, 0.0
                    yield event
                ended = True
                return
            except (Unavailable, Cancelled) as error:
                if not error.by_transport:  # the statement itself ended so
                    raise
                if not pause:
                    given_up_at, pause = clock() + patience, FIRST_PAUSE
                elif clock() >= given_up_at:
                    raise _lost(error, patience) from None
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
                raise _lost(error, patience) from None
    except ThanoSQLError:
        ended = True
        raise
    finally:
        if not ended:
            with suppress(ThanoSQLError):
                client.cancel(query_id)


def _lost(error: ThanoSQLError, patience: float) -> Unavailable:
    reason = (
        "and the server, started anew, no longer knows the statement"
        if isinstance(error, NotFound)
        else f"and the server could not be reached again within {patience:.0f} s ({error.message})"
    )
    return Unavailable(
        f"the connection broke while the statement ran, {reason}",
        hint="See what the statement has done (LIST TABLE, LIST MODEL) before you run it again.",
    )
