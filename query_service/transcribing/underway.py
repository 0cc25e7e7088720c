"""Recordings that statements of this process are having transcribed: one that another wants too is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Shared:
    """What another statement was told of a recording of the same content."""

    result: Result
    path: str
    """Of the recording there, for which a failure's message holds."""


Tell = Callable[[Shared | None], None]
"""Tells a waiting statement what was heard, or None: whoever was to hear it has given up. It must not wait."""


class Claim:
    """The right, and the duty, to have a recording transcribed; it ends by one of its two methods."""

    def __init__(self, underway: Underway, wanted: Wanted) -> None:
        self._underway = underway
        self.wanted = wanted
        self.waiting: list[Tell] = []

    def resolve(self, shared: Shared) -> None:
        """Gives whoever waits what was heard."""
        self._underway.end(self, shared)

    def give_up(self) -> None:
        """Lets whoever waits take over."""
        self._underway.end(self, None)


class Underway:
    """Who has which recording transcribed at this moment.

    A claim is held from when a clip is sent until it is answered and never while its holder waits for another
    statement's, so statements that wait for one another both go on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[Wanted, Claim] = {}

    def claim(self, wanted: Wanted, tell: Tell) -> Claim | None:
        """The claim; None where another statement holds it: `tell` is called when that one's ends."""
        with self._lock:
            held = self._claims.get(wanted)
            if held is not None:
                held.waiting.append(tell)
                return None
            claim = self._claims[wanted] = Claim(self, wanted)
            return claim

    def end(self, claim: Claim, shared: Shared | None) -> None:
        """Ends a claim, unless it has ended."""
        with self._lock:
            if self._claims.get(claim.wanted) is not claim:
                return
            del self._claims[claim.wanted]
        for tell in claim.waiting:
            tell(shared)


UNDERWAY = Underway()
"""Of this process: its statements meet here."""
