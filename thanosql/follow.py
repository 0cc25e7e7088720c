"""The events of one query, from its first to its last, through connections that break."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from thanosql.errors import Cancelled, NotFound, ThanoSQLError, TimedOut, Unavailable
from thanosql.parameters import Parameter
from thanosql.types import Event, Notice, Severity

if TYPE_CHECKING:
    from thanosql.clients import QueryClient

PATIENCE = 30.0
"""Seconds for which a broken stream is taken up again before the query is given up."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.0
_CLOCKS_APART = 0.1


def follow(
    client: QueryClient,
    text: str,
    parameters: Sequence[Parameter] = (),
    *,
    timeout: float | None = None,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Event]:
    """Runs `text` and yields its events, each once and in order.

    The query is cancelled on the server when the caller stops early: by closing the generator, or by Ctrl-C.

    Raises:
        TimedOut: it has not ended within `timeout` seconds; it is cancelled on the server.
        Unavailable: the connection broke, and stayed broken for `patience` seconds.
        ThanoSQLError: what the server says.
    """
    query_id = str(uuid.uuid4())
    ended = False
    start = partial(client.execute, text, query_id, parameters)
    try:
        yield from _through_breaks(client, start, query_id, 0, _Limit(timeout, clock), patience, clock, sleep)
        ended = True
    except _LimitReached:
        message = f"the statement has not ended within {timeout:g} s, and was stopped"
        raise TimedOut(message, hint="Give it a longer timeout, or session.submit it and wait for the job.") from None
    except ThanoSQLError:
        ended = True
        raise
    finally:
        if not ended:
            with suppress(ThanoSQLError):
                client.cancel(query_id)


def rejoin(
    client: QueryClient,
    query_id: str,
    next_event: int = 0,
    *,
    timeout: float | None = None,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Event]:
    """Yields the events of a query that was sent before, from `next_event` on, each once and in order.

    The query goes on when the caller stops early.

    Raises:
        NotFound: the server knows no such query, or holds that event no longer.
        TimedOut: it has not ended within `timeout` seconds; it goes on.
        Unavailable: the connection broke, and stayed broken for `patience` seconds.
        ThanoSQLError: what the server says.
    """
    start = partial(client.attach, query_id, next_event)
    try:
        yield from _through_breaks(client, start, query_id, next_event, _Limit(timeout, clock), patience, clock, sleep)
    except _LimitReached:
        message = f"the statement has not ended within {timeout:g} s; it goes on"
        hint = f"Wait for it again, or stop it: CANCEL JOB {query_id[:8]}."
        raise TimedOut(message, hint=hint) from None


class _LimitReached(Exception):
    """There is no time left."""


class _Limit:
    """The time that something may take; without end where it is None."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self._clock, self._ends_at = clock, None if seconds is None else clock() + seconds

    @property
    def left(self) -> float | None:
        """Seconds; None: without end."""
        return None if self._ends_at is None else max(0.0, self._ends_at - self._clock())

    def begin(self, call: Callable[..., Iterator[Event]]) -> Iterator[Event]:
        """The stream of a call, which ends with the time."""
        return call(timeout=self.left)

    def check(self) -> None:
        """Raises where there is no time left."""
        if self.left == 0.0:
            raise _LimitReached


def _through_breaks(
    client: QueryClient,
    start: Callable[..., Iterator[Event]],
    query_id: str,
    next_event: int,
    limit: _Limit,
    patience: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Generator[Event]:
    """The events of `start`, and where their stream breaks those of another, from the next event on."""
    given_up_at = pause = 0.0
    events = limit.begin(start)
    while True:
        try:
            for event in events:
                next_event, pause = event.number + 1, 0.0
                yield event
            return
        except TimedOut:
            # The call's clock may be a little ahead of ours.
            if limit.left is None or limit.left > _CLOCKS_APART:
                raise
            raise _LimitReached from None
        except (Unavailable, Cancelled) as error:
            if not error.by_transport:  # the statement itself ended so
                raise
            limit.check()
            if not pause:
                given_up_at, pause = clock() + patience, FIRST_PAUSE
            elif clock() >= given_up_at:
                raise _lost(error, patience, query_id) from None
            else:
                pause = min(LONGEST_PAUSE, 2 * pause)
                if pause == 2 * FIRST_PAUSE:
                    text = f"The connection is broken; trying for {patience:.0f} s to take the statement up again."
                    yield Event(next_event, Notice(text, Severity.WARNING))
            sleep(pause if limit.left is None else min(pause, limit.left))
            limit.check()
            events = limit.begin(partial(client.attach, query_id, next_event))
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
