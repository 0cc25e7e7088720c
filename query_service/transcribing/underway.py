"""Recordings that statements of this process are having transcribed: one that another wants too is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from query_service.transcribing.hearing import Hearing
from query_service.transcribing.recordings import Result


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transcript that a statement wants; two that are equal are one."""

    server: str
    """Address of what transcribes."""
    hearing: Hearing
    content: str
    """Hash of the recording's bytes."""
    workspace: Path = Path()
    """Root of the workspace that the model and the recording belong to: others are told nothing of them."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What another statement was told of a recording of the same content."""

    result: Result
    path: str
    """Of the recording there, for which a failure's message holds."""


Tell = Callable[[Shared | None], None]
"""Tells a waiting statement what was heard, or None: whoever was to hear it has given up. It must not wait."""


class Claim:
    """The right, and the duty, to have a recording transcribed.

    Once resolved it is to be held until the transcript stands in the cache: so whoever comes finds it here or there.
    """

    def __init__(self, underway: Underway, wanted: Wanted) -> None:
        self._underway = underway
        self.wanted = wanted
        self.waiting: list[Tell] = []
        self.shared: Shared | None = None

    def resolve(self, shared: Shared) -> None:
        """Gives whoever waits, or comes before the end, what was heard."""
        self._underway.resolve(self, shared)

    def end(self) -> None:
        """Lets go; where it was not resolved, whoever waits may take over. Nothing happens the second time."""
        self._underway.end(self)


class Underway:
    """Who has which recording transcribed at this moment.

    No holder of a claim that is not resolved waits for another statement's with it: a clip was sent, and will be
    answered. So statements that wait for one another both go on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[Wanted, Claim] = {}

    @property
    def claims(self) -> tuple[Wanted, ...]:
        """What is claimed now."""
        with self._lock:
            return tuple(self._claims)

    def claim(self, wanted: Wanted, tell: Tell) -> Claim | None:
        """The claim; None where another statement holds it: `tell` is called when it is resolved, or ends."""
        with self._lock:
            held = self._claims.get(wanted)
            if held is None:
                claim = self._claims[wanted] = Claim(self, wanted)
                return claim
            if held.shared is None:
                held.waiting.append(tell)
                return None
        tell(held.shared)
        return None

    def resolve(self, claim: Claim, shared: Shared) -> None:
        """See `Claim.resolve`."""
        with self._lock:
            claim.shared = shared
            waiting, claim.waiting = claim.waiting, []
        for tell in waiting:
            tell(shared)

    def end(self, claim: Claim) -> None:
        """See `Claim.end`."""
        with self._lock:
            if self._claims.get(claim.wanted) is claim:
                del self._claims[claim.wanted]
            waiting, claim.waiting = claim.waiting, []
        for tell in waiting:
            tell(None)


UNDERWAY = Underway()
"""Of this process: its statements meet here."""
