"""Checks every row of a training query before anything is learned from it, and counts why rows are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from thanosql.alphabet import Alphabet
from thanosql.audio import MINIMUM_SECONDS, read_audio
from thanosql.errors import AudioError, DataError, NotFound, PathRefused
from thanosql.types import Progress
from thanosql.workspace import existing_file
from trainer_service.data.data_report import EXAMPLES, DataReport, KeptRow, count_reasons, make_report
from trainer_service.data.text import count_characters, require_known_characters


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the training query, as it came."""

    audio_path: str | None
    text: str | None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A row that can be learned from."""

    row: int
    """Its place in the query, from 0."""
    audio_path: str
    file: Path
    """Resolved, so that rows of one recording have the same; hold them out together."""
    samples: int
    """Length at the model's rate."""
    tokens: tuple[int, ...]
    text: str
    """The transcript as the user wrote it."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a recording must keep to."""

    sample_rate: int
    max_seconds: float
    frames: Callable[[int], int]
    """Frames that the model makes of so many samples."""


Read = Callable[[Utterance], npt.NDArray[np.float32]]
Tell = Callable[[Progress], None]


class _Dropped(Exception):
    """Why a row is not learned from."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_rows(
    rows: Sequence[Row], root: Path, alphabet: Alphabet, base: str, limits: Limits, tell: Tell, threads: int = 2
) -> tuple[tuple[Utterance, ...], DataReport]:
    """Decodes every recording and spells every transcript.

    A row that fails several checks counts for the first: transcript, then path, recording, and both together.

    Args:
        rows: The query's rows.
        root: The workspace root, which paths are relative to.
        alphabet: What the base model can spell.
        base: Its name, for messages.
        limits: Of a recording.
        tell: Takes the progress.
        threads: That decode at the same time.

    Raises:
        DataError: the transcripts are in another alphabet, or no row is left.
    """
    if not rows:
        raise DataError("the query gives no rows to learn from", hint="Run the query alone to see what it gives.")
    characters = count_characters((row.text or "" for row in rows), alphabet)
    require_known_characters(characters, alphabet, base)
    kept: list[Utterance] = []
    dropped: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}

    def check(place: int) -> Utterance | _Dropped:
        try:
            return _check_row(place, rows[place], root, alphabet, limits)
        except _Dropped as reason:
            return reason

    with ThreadPoolExecutor(threads, thread_name_prefix="check") as pool:
        for place, outcome in enumerate(_map_ahead(pool, check, len(rows), ahead=8 * threads)):
            if isinstance(outcome, Utterance):
                kept.append(outcome)
            else:
                dropped[outcome.reason] += 1
                if dropped[outcome.reason] <= EXAMPLES:
                    examples.setdefault(outcome.reason, []).append(f"row {place + 1}: {outcome}")
            tell(Progress("check data", place + 1, len(rows), "rows"))
    report = make_report(
        len(rows), [_for_report(each, alphabet, limits) for each in kept], dropped, examples, characters
    )
    if not kept:
        first = "\n".join(f"  {examples[reason][0]}" for reason in report.dropped)
        raise DataError(
            f"none of the {len(rows)} rows can be learned from: {count_reasons(dropped)}", hint=f"For example:\n{first}"
        )
    return tuple(kept), report


def _map_ahead(
    pool: ThreadPoolExecutor, check: Callable[[int], Utterance | _Dropped], count: int, ahead: int
) -> Iterator[Utterance | _Dropped]:
    """Results in order, with so many calls under way; `Executor.map` would queue a million at once."""
    places = iter(range(count))
    waiting = [pool.submit(check, place) for place in islice(places, ahead)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(check, place) for place in islice(places, 1)]


def _check_row(place: int, row: Row, root: Path, alphabet: Alphabet, limits: Limits) -> Utterance:
    labels = alphabet.encode(row.text or "")
    if labels.unknown:
        raise _Dropped("characters outside the vocabulary", f"{row.text!r} has {' '.join(sorted(set(labels.unknown)))}")
    if not labels.tokens:
        raise _Dropped("empty transcript", f"{row.text!r} has no letters" if row.text else "it has no transcript")
    if not row.audio_path:
        raise _Dropped("missing", "it names no recording")
    try:
        file = existing_file(root, row.audio_path)
        samples = len(
            read_audio(file, sample_rate=limits.sample_rate, max_seconds=limits.max_seconds, name=row.audio_path)
        )
    except NotFound as error:
        raise _Dropped("missing", error.message) from error
    except PathRefused as error:
        raise _Dropped("path refused", error.message) from error
    except AudioError as error:
        raise _Dropped(error.reason, error.message) from error
    frames = limits.frames(samples)
    if frames < 1:
        raise _Dropped("too short", f"{row.audio_path!r} is shorter than {MINIMUM_SECONDS} s")
    if labels.frames_needed > frames:
        raise _Dropped(
            "more labels than frames",
            f"{row.audio_path!r} is {samples / limits.sample_rate:.1f} s long, "
            f"too short for {len(labels.tokens)} characters: {row.text!r}",
        )
    return Utterance(place, row.audio_path, file, samples, labels.tokens, row.text or "", row.speaker)


def _for_report(utterance: Utterance, alphabet: Alphabet, limits: Limits) -> KeptRow:
    return KeptRow(
        utterance.row,
        utterance.audio_path,
        utterance.file,
        utterance.samples / limits.sample_rate,
        alphabet.decode(utterance.tokens),
        utterance.speaker,
    )
