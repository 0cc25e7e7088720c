"""Lengths of recordings by their headers: of all of them, or of some that stand for the others."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from query_service.running.progress import Pacer
from query_service.running.work import Work
from query_service.transcribing.recordings import Failure, Recordings
from thanosql.errors import AudioError
from thanosql.types import Progress

MOST_HEADERS = 2_000
"""Headers that are read, of files from the first to the last: a second or less where the disk is near."""
AT_ONCE = 100
"""Headers between two looks at whether the statement was cancelled."""
READERS = 4
"""Threads: where files lie on the network, each waits most of the time."""


@dataclass(frozen=True, slots=True)
class Soundings:
    """What the headers of recordings say."""

    recordings: int
    """How many there are."""
    lengths: dict[int, float]
    """Seconds of those that were read and can be used, by their number, in their order."""
    failures: dict[int, Failure]
    """Why others that were read cannot be used."""

    def of(self, numbers: Collection[int]) -> Soundings:
        """The same of a part of the recordings."""
        lengths = {number: seconds for number, seconds in self.lengths.items() if number in numbers}
        failures = {number: failure for number, failure in self.failures.items() if number in numbers}
        return Soundings(len(numbers), lengths, failures)

    @property
    def read(self) -> int:
        """How many were read."""
        return len(self.lengths) + len(self.failures)

    @property
    def usable(self) -> int:
        """About how many can be used, of all."""
        return round(self.recordings * len(self.lengths) / self.read) if self.read else 0

    @property
    def seconds(self) -> float:
        """About how long all that can be used are together."""
        return self.recordings / self.read * sum(self.lengths.values()) if self.read else 0.0


def sound(recordings: Recordings, numbers: Sequence[int], work: Work) -> Generator[Progress, None, Soundings]:
    """Reads the headers of the recordings with these numbers, or of `MOST_HEADERS` of them."""
    from thanosql.audio import MINIMUM_SECONDS, read_header

    def read(number: int) -> float | Failure:
        path = recordings.file_of(number).path
        try:
            seconds = read_header(Path(recordings.place_of(number)), name=path).seconds
        except AudioError as error:
            return Failure(error.reason, error.message)
        if seconds < MINIMUM_SECONDS:
            return Failure("too short", f"{path!r} is {seconds:.3f} s long, under the least of {MINIMUM_SECONDS} s")
        return seconds

    chosen = numbers[:: -(-len(numbers) // MOST_HEADERS) or 1]
    lengths: dict[int, float] = {}
    failures: dict[int, Failure] = {}
    pacer = Pacer()
    with ThreadPoolExecutor(READERS, thread_name_prefix="headers") as pool:
        for start in range(0, len(chosen), AT_ONCE):
            work.cancellation.check()
            some = chosen[start : start + AT_ONCE]
            for number, found in zip(some, pool.map(read, some), strict=True):
                if isinstance(found, Failure):
                    failures[number] = found
                else:
                    lengths[number] = found
            progress = Progress("read headers", start + len(some), len(chosen), "files")
            if pacer.lets_through(progress, work.clock()):
                yield progress
    return Soundings(len(numbers), lengths, failures)
