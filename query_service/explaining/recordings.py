"""The recordings that the rows of a step name, and what of them is known without listening to any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from query_service.explaining.figures import number, reasons
from query_service.explaining.view import View
from query_service.planning.steps import Evaluate, Transcribe
from query_service.running.progress import Pacer
from query_service.transcribing.content import hash_file
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.recordings import LEFT_OUT, NO_RECORDING, Failure, Recordings
from query_service.transcribing.transcript_cache import TranscriptCache
from thanosql.types import AudioKey, Progress

EXAMPLES = 3
"""Recordings that are named for each reason."""
MOST_HASHED = 256 << 20
"""Bytes of files that are read to find out whether a transcript is known under another path: about a second's."""
KEYS_AT_ONCE = 5_000
"""Files that are looked up between two signs of progress."""


def add_rows(
    recordings: Recordings, view: View, parts: Iterable[tuple[Sequence[str | None], Sequence[Any] | None]]
) -> Generator[Progress, None, None]:
    """Adds rows, part by part: what their audio column holds, and texts without which a row does not matter."""
    pacer = Pacer()
    for paths, texts in parts:
        if texts is None:
            recordings.add_rows(paths)
        else:
            for path, text in zip(paths, texts, strict=True):
                if text is not None and str(text).strip():
                    recordings.add_rows((path,))
                else:
                    recordings.leave_out_row()
        progress = Progress("read rows", len(recordings.rows), unit="rows")
        if pacer.lets_through(progress, view.work.clock()):
            yield progress


@dataclass(frozen=True, slots=True)
class Waiting:
    """Recordings whose transcripts are not kept."""

    numbers: tuple[int, ...]
    """Those that the model would be asked for."""
    repeated: int = 0
    """Others that hold the same as one of them."""
    unlooked_bytes: int = 0
    """Of files that may be known by their content, which was not looked at."""


def look_up(
    recordings: Recordings, hearing: Hearing, step: Transcribe | Evaluate, view: View
) -> Generator[Progress, None, Waiting]:
    """Fills in the transcripts that are kept; tells what is left.

    A file is known by its path, size and time. Where the others have no more than `MOST_HASHED` bytes together, they
    are known by their content too, as they are when the statement runs.
    """
    cache, pacer = TranscriptCache(hearing, view.work, step.cache, only_looks=True), Pacer()
    waiting = recordings.waiting()
    for start in range(0, len(waiting), KEYS_AT_ONCE):
        view.work.cancellation.check()
        some = {recordings.file_of(each): each for each in waiting[start : start + KEYS_AT_ONCE]}
        for key, known in cache.look_up(list(some), view.work.services).items():
            recordings.results[some[key]] = known
        progress = Progress("look up transcripts", start + len(some), len(waiting), "files")
        if pacer.lets_through(progress, view.work.clock()):
            yield progress
    rest = recordings.waiting()
    held = sum(recordings.file_of(each).size for each in rest)
    if held > MOST_HASHED:
        return Waiting(tuple(rest), unlooked_bytes=held)
    contents: dict[str, list[int]] = {}
    hashed: dict[AudioKey, int] = {}
    for each in rest:
        view.work.cancellation.check()
        try:
            key = hash_file(recordings.place_of(each), recordings.file_of(each), lambda: view.work.cancellation.is_set)
        except OSError:  # which its header will tell
            key = recordings.file_of(each)
        hashed[key] = each
        contents.setdefault(key.content or key.path, []).append(each)
    for key, known in cache.look_up(list(hashed), view.work.services).items():
        recordings.results[hashed[key]] = known
    left = [same for same in contents.values() if same[0] not in recordings.results]
    return Waiting(tuple(same[0] for same in left), sum(map(len, left)) - len(left))


def count_files(recordings: Recordings) -> int:
    """How many distinct files there are."""
    return sum(key is not None for key in recordings.keys)


def tell_failures(recordings: Recordings, what: str, *, of_all: bool) -> Iterator[str]:
    """How many rows cannot be used, and why; nothing where all can, as far as is known.

    Args:
        recordings: With what became of them.
        what: Befalls such rows.
        of_all: Every header was read.
    """
    counts: Counter[str] = Counter()
    examples: dict[str, dict[str, None]] = {}
    for row, place in enumerate(recordings.rows, 1):
        result = recordings.results.get(place) if place != NO_RECORDING else recordings.result(place)
        if place == LEFT_OUT or not isinstance(result, Failure):
            continue
        counts[result.reason] += 1
        named = examples.setdefault(result.reason, {})
        if len(named) < EXAMPLES:
            named[f"row {row}" if place == NO_RECORDING else recordings.paths[place]] = None
    if counts:
        of = f"of {number(len(recordings.rows), 'row')}" if of_all else "of the rows whose files were read"
        said = reasons(counts, {reason: list(named) for reason, named in examples.items()})
        yield f"{counts.total():,} {of} {what}: {said}"
