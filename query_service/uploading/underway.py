"""Who sends which file just now: two that send the same one do not write into one another's bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_SECONDS = 30.0
"""Whoever has sent nothing of a file for so long may be followed by another: its connection may be long dead."""


class Followed(Exception):
    """Another has taken the file over."""


class Claim:
    """A file that is being sent."""

    def __init__(self, key: str, left: int, now: float) -> None:
        self.key, self.left, self.heard_at = key, left, now
        """`left`: bytes that have not come."""
        self._lock = threading.Lock()
        self._is_followed = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it, nobody else takes the file over.

        Raises:
            Followed: somebody has.
        """
        with self._lock:
            if self._is_followed:
                raise Followed
            yield

    def give_up(self) -> None:
        """Lets another follow, when what is at work has ended."""
        with self._lock:
            self._is_followed = True


class Underway:
    """The files that are being sent, of all workspaces.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    def claim(self, key: str, left: int) -> Claim | None:
        """The right to send a file, with `left` bytes to come; None: another has it."""
        with self._lock:
            before = self._claims.get(key)
            if before is not None and not self._is_quiet(before):
                return None
            claim = self._claims[key] = Claim(key, left, self._clock())
        if before is not None:
            before.give_up()
        return claim

    def tell(self, claim: Claim, left: int) -> None:
        """Something of the file has come."""
        claim.left, claim.heard_at = left, self._clock()

    def release(self, claim: Claim) -> None:
        """The file is not being sent any more."""
        with self._lock:
            if self._claims.get(claim.key) is claim:
                del self._claims[claim.key]

    def has(self, key: str) -> bool:
        """Whether somebody is sending it."""
        with self._lock:
            claim = self._claims.get(key)
            return claim is not None and not self._is_quiet(claim)

    def keys(self) -> frozenset[str]:
        """Of all files that are being sent, or were until lately."""
        with self._lock:
            return frozenset(self._claims)

    def promised(self) -> int:
        """Bytes that have yet to come."""
        with self._lock:
            return sum(each.left for each in self._claims.values())

    def _is_quiet(self, claim: Claim) -> bool:
        return self._clock() - claim.heard_at > QUIET_SECONDS
