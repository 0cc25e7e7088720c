"""Decides which transcripts are still true of their files, and how many are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from thanosql.errors import DataError
from thanosql.types import AudioKey, CachedTranscript

T = TypeVar("T")

LOOKUP_ROWS = 500
"""Paths in one look-up: SQLite takes 999 variables in a statement, in its oldest builds."""

_TOUCH_AFTER = timedelta(hours=1)


def chunks(values: Iterable[T], size: int = LOOKUP_ROWS) -> Iterator[tuple[T, ...]]:
    """`values` in tuples of at most `size`."""
    rest = iter(values)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def still_true(found: Iterable[CachedTranscript], keys: Sequence[AudioKey]) -> tuple[CachedTranscript, ...]:
    """Those of `found` whose file is as it was when it was transcribed."""
    wanted = {key: key.content for key in keys}
    return tuple(each for each in found if each.key in wanted and not _differ(each.key.content, wanted[each.key]))


def missing_with_content(found: Iterable[CachedTranscript], keys: Iterable[AudioKey]) -> tuple[AudioKey, ...]:
    """Those of `keys` that were not found, and tell their content: by it they may be known."""
    known = {each.key for each in found}
    return tuple(key for key in keys if key.content and key not in known)


def of_same_content(found: Iterable[CachedTranscript], keys: Iterable[AudioKey]) -> tuple[CachedTranscript, ...]:
    """A transcript for each of `keys` that has the content of one of `found`."""
    by_content = {each.key.content: each for each in found}
    return tuple(replace(by_content[key.content], key=key) for key in keys if key.content in by_content)


def _differ(first: str, second: str) -> bool:
    return bool(first and second and first != second)


def newest_by_path(transcripts: Iterable[CachedTranscript]) -> tuple[CachedTranscript, ...]:
    """One transcript for each path: where a path comes twice, the last one.

    Raises:
        DataError: a transcript has no path.
    """
    by_path = {each.key.path: each for each in transcripts}
    if "" in by_path:
        raise DataError("a transcript without the path of its recording cannot be kept")
    return tuple(by_path.values())


def touched_before(now: datetime) -> datetime:
    """Uses noted before this moment are noted again; later ones are near enough, and spare a write."""
    return now - _TOUCH_AFTER


def surplus(count: int, limit: int) -> int:
    """How many of `count` transcripts go, so that no more than `limit` stay.

    A tenth of the room is made at once, so that it is not made at every call.
    """
    return count - limit * 9 // 10 if count > limit else 0
