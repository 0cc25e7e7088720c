"""Which waiting requests make the next batch: a pure rule over padded seconds, and the turns of the streams."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A clip, or a piece of one, that waits to be computed."""

    seconds: float
    turn: float
    """The least is the next to be served; see `Turns`."""
    max_rows: int = 0
    """The most rows of a batch that this request may be in; 0: any."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may be, and how much may be computed at once."""

    seconds: float
    """Rows × longest row, in seconds of audio."""
    rows: int
    concurrent_seconds: float = float("inf")
    """Padded seconds of all batches that are computed at one time."""


def choose_batch(waiting: Sequence[Request], limits: Limits, running_seconds: float = 0.0) -> tuple[int, ...]:
    """The indices of the requests that make the next batch; none where it has to wait for what is running.

    The request whose turn it is anchors the batch. The others join by the nearness of their lengths to its length, as
    long as `rows × longest` stays within the limits, so little is computed for padding. A request that is over the
    limits by itself runs alone, and once nothing else is running. Nobody waits for company.

    Args:
        waiting: The requests, in any order.
        limits: What the device can do.
        running_seconds: Padded seconds of the batches that are being computed.
    """
    if not waiting:
        return ()
    anchor = min(range(len(waiting)), key=lambda i: (waiting[i].turn, i))
    if running_seconds and running_seconds + waiting[anchor].seconds > limits.concurrent_seconds:
        return ()
    budget = min(limits.seconds, limits.concurrent_seconds - running_seconds)
    length = waiting[anchor].seconds
    others = [i for i in range(len(waiting)) if i != anchor]
    others.sort(key=lambda i: (abs(waiting[i].seconds - length), waiting[i].turn, i))
    chosen, longest = [anchor], length
    most_rows = _fewest(limits.rows, waiting[anchor].max_rows)
    for i in others:
        if len(chosen) >= most_rows:
            break
        new_longest, new_most = max(longest, waiting[i].seconds), _fewest(most_rows, waiting[i].max_rows)
        if len(chosen) + 1 > new_most or (len(chosen) + 1) * new_longest > budget:
            continue
        chosen.append(i)
        longest, most_rows = new_longest, new_most
    return tuple(chosen)


def _fewest(most_rows: int, asked: int) -> int:
    return min(most_rows, asked) if asked else most_rows


class Turns:
    """Gives each request its turn: streams share a model by seconds of audio, and a long queue delays only its own.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996): a request's turn is where its stream's last one ended on a
    common scale of served seconds, or the present point of that scale if the stream has been idle. One stream alone is
    served in the order of arrival.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._ends: dict[Hashable, float] = {}

    def take(self, stream: Hashable, seconds: float) -> float:
        """The turn of the next request of `stream`."""
        turn = max(self._now, self._ends.get(stream, 0.0))
        self._ends[stream] = turn + seconds
        return turn

    def serve(self, turn: float) -> None:
        """A batch anchored by the request of that turn begins."""
        self._now = max(self._now, turn)

    def forget(self, stream: Hashable) -> None:
        """The stream has ended."""
        self._ends.pop(stream, None)
