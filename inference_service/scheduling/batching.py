"""Which waiting requests make the next batch: a pure rule over arrival, padded seconds, class and deadline."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from thanosql.errors import InvalidOption
from thanosql.types import Priority

MOST_LOOKED_AT = 512
"""Requests that are considered for one batch: so the rule costs no more when ten thousand wait."""


class Closed(StrEnum):
    """Why a batch did not take in more."""

    EMPTY = "empty"
    """Nothing else waited."""
    BUDGET = "budget"
    """Rows × longest row would have been over the budget."""
    ROWS = "rows"
    """It has as many rows as a batch may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """A clip, or a piece of one, that waits to be computed."""

    number: int
    """Counts up in the order of arrival."""
    seconds: float
    priority: Priority = Priority.BULK
    stream: Hashable = None
    """Whose it is; streams of a class take turns."""
    arrival: float = 0.0
    deadline: float = math.inf
    """What has not begun by then is not begun any more."""
    max_rows: int = 0
    """The most rows of a batch that this request may be in; 0: any."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may be, and how much may be computed at once."""

    seconds: float
    """Rows × longest row, in seconds of audio."""
    rows: int
    concurrent_seconds: float = math.inf
    """Padded seconds of all batches that are computed at one time."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the two classes share a model."""

    bulk_share: float = 0.2
    """Of the audio seconds that are computed while both classes wait: bulk gets no less."""
    bulk_cap: float = 0.25
    """Of `Limits.seconds`: what a bulk batch may have while interactive calls are about. A batch cannot be
    interrupted, so this is the longest that an interactive call waits for one; a request that is longer runs alone."""
    recent_seconds: float = 5.0
    """Interactive calls are about while one waits, and for so long after the last one came."""
    delay_seconds: float = 0.0
    """How long a batch that is not full waits for company, from the arrival of its oldest request."""

    def __post_init__(self) -> None:
        if not 0 < self.bulk_share < 1:
            raise InvalidOption(f"bulk_share is {self.bulk_share:g}", hint="Choose a share between 0 and 1, as 0.2.")


@dataclass(frozen=True, slots=True)
class Running:
    """What is being computed at the moment."""

    workers: int = 1
    """Batches that can be computed at once."""
    bulk: int = 0
    interactive: int = 0
    """Batches of each class that are being computed; the class is that of the request that anchored it."""
    padded_seconds: float = 0.0

    @property
    def free(self) -> int:
        """Workers that have nothing to do."""
        return self.workers - self.bulk - self.interactive


@dataclass(frozen=True, slots=True)
class Batch:
    """What is computed at once; the first row anchored it."""

    rows: tuple[Request, ...]
    closed: Closed

    @property
    def padded_seconds(self) -> float:
        """Rows × longest row."""
        return len(self.rows) * max(row.seconds for row in self.rows)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Those that wait in the anchor's class, from the nearest length on; equal lengths in the order of arrival."""

    shorter: Iterator[Request]
    longer: Iterator[Request]
    """Equally long ones too."""


def choose_class(
    turns: Sequence[Priority], running: Running, sharing: Sharing, *, interactive_is_about: bool
) -> Priority | None:
    """The class that anchors the next batch; None where what waits holds back.

    While interactive calls are about, bulk leaves the last free worker to them, as long as it has its share of the
    workers already: so a call meets a free worker, and not only busy ones.

    Args:
        turns: The classes of which something waits; the first one's turn it is.
        running: What is being computed.
        sharing: What each class is due.
        interactive_is_about: One waits, or came lately.
    """
    if not turns:
        return None
    holds_back = (
        interactive_is_about
        and running.workers > 1
        and running.free == 1
        and running.bulk >= sharing.bulk_share * running.workers
    )
    if turns[0] is Priority.BULK and holds_back:
        return Priority.INTERACTIVE if Priority.INTERACTIVE in turns else None
    return turns[0]


def fill_batch(
    anchor: Request,
    mates: Neighbours,
    riders: Callable[[float], Iterator[Request]],
    limits: Limits,
    sharing: Sharing,
    *,
    now: float,
    running_seconds: float = 0.0,
    interactive_is_about: bool = False,
) -> Batch | None:
    """The batch of the request whose turn it is; None where it has to wait for what is running.

    The nearest lengths of the anchor's class join as long as `rows × longest` stays within the budget, so little is
    computed for padding. Then the other class fills what is left under the cap, with rows that make nothing longer. A
    request that is over the budget by itself runs alone, and over the concurrent seconds once nothing else is running.

    Args:
        anchor: The request whose turn it is.
        mates: The others of its class.
        riders: Those of the other class that are no longer than so many seconds, the longest first.
        limits: What the device can do.
        sharing: What each class is due.
        now: Requests whose deadline is past are left out.
        running_seconds: Padded seconds of the batches that are being computed.
        interactive_is_about: One waits, or came lately.
    """
    left = limits.concurrent_seconds - running_seconds
    if running_seconds and anchor.seconds > left:
        return None
    cap = min(limits.seconds * sharing.bulk_cap, left)
    is_capped = interactive_is_about and anchor.priority is Priority.BULK
    filling = _Filling(anchor, limits.rows, now)
    filling.add_nearest(mates, cap if is_capped else min(limits.seconds, left))
    for rider in riders(filling.longest):
        if not filling.goes_on(cap):
            break
        filling.add(rider, cap)
    return Batch(tuple(filling.rows), filling.closed)


class _Filling:
    """A batch that is being filled."""

    def __init__(self, anchor: Request, most_rows: int, now: float) -> None:
        self.rows, self.longest, self._now = [anchor], anchor.seconds, now
        self._most_rows = _fewest(most_rows, anchor.max_rows)
        self._looked_at = 0
        self._kept_out = Closed.EMPTY

    @property
    def closed(self) -> Closed:
        """Why it does not take in more, when all that wait have been offered."""
        return Closed.ROWS if len(self.rows) >= self._most_rows else self._kept_out

    def goes_on(self, budget: float) -> bool:
        """Whether any request at all could still join, now that one waits."""
        if (len(self.rows) + 1) * self.longest > budget:
            self._kept_out = Closed.BUDGET
            return False
        return len(self.rows) < self._most_rows and self._looked_at < MOST_LOOKED_AT

    def add(self, each: Request, budget: float) -> bool:
        """Takes `each` in if it may; False where it is too long, and so are all that are longer."""
        self._looked_at += 1
        rows, longest = len(self.rows) + 1, max(self.longest, each.seconds)
        if rows * longest > budget:
            self._kept_out = Closed.BUDGET
            return False
        most_rows = _fewest(self._most_rows, each.max_rows)
        if rows > most_rows:
            self._kept_out = Closed.ROWS
        elif each.deadline > self._now:
            self.rows.append(each)
            self.longest, self._most_rows = longest, most_rows
        return True

    def add_nearest(self, mates: Neighbours, budget: float) -> None:
        """Takes in what is nearest in length to the anchor."""
        length = self.longest
        shorter, longer = next(mates.shorter, None), next(mates.longer, None)
        while (shorter or longer) and self.goes_on(budget):
            if longer and (not shorter or longer.seconds - length < length - shorter.seconds):
                longer = next(mates.longer, None) if self.add(longer, budget) else None
            elif shorter:
                self.add(shorter, budget)
                shorter = next(mates.shorter, None)


def _fewest(most_rows: int, asked: int) -> int:
    return min(most_rows, asked) if asked else most_rows
