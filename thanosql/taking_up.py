"""What an id of LIST JOBS stands for, taken up: statements, or a training that no statement follows any more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, cast

from thanosql.errors import NotFound, ThanoSQLError
from thanosql.follow import rejoin
from thanosql.parameters import read_parameters

if TYPE_CHECKING:
    from thanosql.clients import QueryClient
    from thanosql.types import Event

_ENDED = {"succeeded": "has succeeded", "failed": "has failed", "cancelled": "was cancelled"}


def take_up(
    client: QueryClient,
    id: str,
    next_event: int,
    describe: Callable[[str], Mapping[str, str | None]],
    timeout: float | None = None,
) -> Generator[Event]:
    """The events of what `id` stands for, from number `next_event` on, each once and in order.

    A training goes on by itself when the server was started anew, and its statement is gone then: it is followed by
    a RESUME JOB. What is taken up goes on when the caller stops early.

    Args:
        client: Of the server.
        id: Of statements or a training; its first characters are enough.
        next_event: Number of the event to begin with.
        describe: The properties that DESCRIBE JOB tells of an id.
        timeout: Seconds; None: as long as it takes.

    Raises:
        NotFound: there is nothing of that id, or it has ended and what it gave is not held any more.
        TimedOut: it has not ended in that time; it goes on.
        ThanoSQLError: what the server says.
    """
    has_begun = False
    try:
        for event in rejoin(client, id, next_event, timeout=timeout):
            has_begun = True
            yield event
        return
    except NotFound as error:
        if has_begun or next_event:
            raise
        unknown = error
    try:
        told = describe(id)
    except ThanoSQLError:
        raise unknown from None
    if "attempts" not in told:  # no training
        raise unknown
    job, state = told.get("id") or id, told.get("state") or ""
    if state in _ENDED:
        raise NotFound(
            f"the training {job[:8]} {_ENDED[state]}, and what its statement gave is not held any more",
            hint=f"DESCRIBE MODEL {told.get('model')} shows what came of it."
            if state == "succeeded"
            else f"DESCRIBE JOB {job[:8]} says how it ended; RESUME JOB {job[:8]} goes on with it.",
        )
    follower = str(uuid.uuid4())
    begun = client.execute("RESUME JOB :id", follower, read_parameters({"id": job}))
    with closing(cast("Generator[Event]", begun)):
        next(begun)  # the server has it now, and goes on with it whether it is read or not
    yield from rejoin(client, follower, timeout=timeout)
