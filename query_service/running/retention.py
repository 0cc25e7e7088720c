"""Which of the queries that have ended can still be read: all that fit, and of others the likeliest to be wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from query_service.config import QueryConfig
from query_service.running.running_query import RunningQuery
from thanosql.types import JobState


def rest_large(ended: Iterable[RunningQuery], most_bytes: int) -> None:
    """Moves the events of ended queries to the disk, the largest first, until the others fit in memory.

    Args:
        ended: Queries that have ended.
        most_bytes: Bytes of events that all of them together may have in memory.
    """
    logs = sorted((query.log for query in ended), key=lambda log: log.bytes, reverse=True)
    held = sum(log.bytes for log in logs)
    for log in logs:
        if held <= most_bytes:
            return
        held -= log.bytes
        log.rest()
        held += log.bytes


def choose_forgotten(
    ended: Iterable[RunningQuery], rested: Set[RunningQuery], config: QueryConfig, now: float
) -> Iterator[RunningQuery]:
    """Which have to go: those that ended long ago, and those that are too many or too large.

    First what was read to its end or cancelled, the oldest first. What nobody has read takes half of the places at
    most, or whoever leaves many statements unread would have those of the others forgotten as soon as they end.

    Args:
        ended: Queries that have ended.
        rested: Those whose memory counts: of another, which has only just ended, much may yet go to the disk.
        config: How many are kept, for how long, and their bytes.
        now: Seconds, of the clock by which they ended.
    """
    by_age = sorted(ended, key=_end_of)
    count, disk = len(by_age), sum(query.log.disk_bytes for query in by_age)
    memory = sum(query.log.bytes for query in by_age if query in rested)
    fits = count <= config.kept_queries and disk <= config.kept_disk_bytes and memory <= config.kept_bytes
    if not by_age or (fits and now - _end_of(by_age[0]) < config.kept_seconds):
        return
    wanted = frozenset([query for query in by_age if _may_be_wanted(query)][-(config.kept_queries // 2) :])
    for query in sorted(by_age, key=wanted.__contains__):
        is_old = now - _end_of(query) >= config.kept_seconds
        is_too_much = (
            count > config.kept_queries
            or (query.log.disk_bytes and disk > config.kept_disk_bytes)
            or (query in rested and memory > config.kept_bytes)
        )
        if is_old or is_too_much:
            count -= 1
            memory -= query.log.bytes if query in rested else 0
            disk -= query.log.disk_bytes
            yield query


def _end_of(query: RunningQuery) -> float:
    return query.ended_at or 0.0


def _may_be_wanted(query: RunningQuery) -> bool:
    """Nobody has yet seen how it ended, or what made it end."""
    return not query.log.was_read and query.state is not JobState.CANCELLED
