"""What became of the rows of a training query: told before the first step, and kept with the model."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from thanosql.histogram import Histogram, make_histogram
from thanosql.types import Notice, Severity
from trainer_service.data.text import CharacterCount

EXAMPLES = 3
"""Rows that the report shows of each kind."""
CHARACTERS_SHOWN = 50
UNLIKELY_FACTOR = 4.0
"""Times faster or slower than the median that a transcript is spoken when it hardly belongs to its recording."""

SECONDS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30)
CHARACTERS = (0, 10, 20, 40, 60, 80, 120, 160, 240, 320)
CHARACTERS_PER_SECOND = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30)
"""Edges of the histograms' bins."""


@dataclass(frozen=True, slots=True)
class KeptRow:
    """What the report wants to know of a row that is learned from."""

    row: int
    """Its place in the query, from 0."""
    audio_path: str
    recording: object
    """Equal for rows of one recording."""
    seconds: float
    spelling: str
    """The transcript as the model spells it."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class DataReport:
    """What became of the rows; part of the training report, so nothing but numbers and short texts."""

    rows: int
    kept: int
    audio_seconds: float
    """Of the rows that were kept."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows by reason; with `kept` they make `rows`."""
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The first rows of each reason, with what was wrong."""
    unknown_characters: Mapping[str, int] = field(default_factory=dict)
    """Characters outside the vocabulary, with how often they stand in the transcripts; the most frequent ones."""
    without_accents: Mapping[str, int] = field(default_factory=dict)
    """Characters that the vocabulary spells without their accents, likewise."""
    words: int = 0
    distinct_words: int = 0
    speakers: int | None = None
    """Of the rows that were kept; None where the query has no such column."""
    recording_seconds: Histogram | None = None
    """Lengths of the recordings that were kept."""
    transcript_characters: Histogram | None = None
    """Lengths of their transcripts, spaces included."""
    characters_per_second: Histogram | None = None
    """Speech has about 5 to 25; far from the others, transcript and recording hardly belong together."""
    unlikely: int = 0
    """Rows whose characters per second are `UNLIKELY_FACTOR` times more or fewer than the median."""
    unlikely_examples: tuple[str, ...] = ()
    contradicting: int = 0
    """Rows whose recording stands in another row with another transcript; they are learned from all the same."""
    contradicting_examples: tuple[str, ...] = ()
    repeated: int = 0
    """Rows that say once more what an earlier one said, with the same recording and the same transcript."""

    def summary(self) -> str:
        """A few lines for the user."""
        lines = [self._counts()]
        for name, histogram in (
            ("seconds of audio", self.recording_seconds),
            ("characters", self.transcript_characters),
            ("characters a second", self.characters_per_second),
        ):
            if histogram is not None and self.kept:
                lines.append(f"  {name:<20}{histogram.line()}")
        return "\n".join(lines)

    def notices(self) -> list[Notice]:
        """The summary, and a warning for each thing in the data that a user will want to look at."""
        said = [Notice(self.summary(), Severity.WARNING if self.dropped else Severity.INFO)]
        if self.contradicting:
            said.append(
                _warn(
                    f"{self.contradicting} rows give a recording that another row gives with another transcript. All "
                    "of them are learned from, and one contradicts the other",
                    self.contradicting_examples,
                )
            )
        if self.repeated:
            said.append(
                Notice(
                    f"{self.repeated} rows repeat an earlier one, recording and transcript; they count that much more."
                )
            )
        if self.unlikely:
            said.append(
                _warn(
                    f"{self.unlikely} transcripts are {UNLIKELY_FACTOR:g} times too long or too short for their "
                    "recordings, measured by the others. Are they paired rightly?",
                    self.unlikely_examples,
                )
            )
        return said

    def _counts(self) -> str:
        length = f"{self.audio_seconds / 60:.1f} minutes of audio"
        if self.audio_seconds >= 3600:
            length = f"{self.audio_seconds / 3600:.1f} hours of audio"
        text = f"{self.kept:,} of {self.rows:,} rows are learned from, {length}"
        if self.words:
            text += f", {self.words:,} words, {self.distinct_words:,} of them distinct"
        if self.speakers is not None:
            text += f", {self.speakers:,} speaker{'s' * (self.speakers != 1)}"
        total = sum(self.dropped.values())
        if not total:
            return f"{text}."
        first = next(iter(self.examples.values()))[0]
        return f"{text}; {total:,} dropped ({count_reasons(self.dropped)}); the first: {first}."


def make_report(
    rows: int,
    kept: Sequence[KeptRow],
    dropped: Counter[str],
    examples: Mapping[str, Sequence[str]],
    characters: CharacterCount,
) -> DataReport:
    """Counts what was kept.

    Args:
        rows: How many the query gave.
        kept: Those that are learned from.
        dropped: The others, by reason.
        examples: Of the others, the first ones of each reason in words.
        characters: Of all transcripts.
    """
    words = Counter(word for each in kept for word in each.spelling.split())
    contradicting, repeated = _compare_by_recording(kept)
    unlikely = _find_unlikely(kept)
    speakers = {each.speaker for each in kept if each.speaker is not None}
    return DataReport(
        rows=rows,
        kept=len(kept),
        audio_seconds=sum(each.seconds for each in kept),
        dropped=dict(dropped.most_common()),
        examples={reason: tuple(examples[reason]) for reason, _ in dropped.most_common()},
        unknown_characters=dict(characters.unknown.most_common(CHARACTERS_SHOWN)),
        without_accents=dict(characters.without_accents.most_common(CHARACTERS_SHOWN)),
        words=words.total(),
        distinct_words=len(words),
        speakers=len(speakers) or None,
        recording_seconds=make_histogram((each.seconds for each in kept), SECONDS),
        transcript_characters=make_histogram((len(each.spelling) for each in kept), CHARACTERS),
        characters_per_second=make_histogram((_rate(each) for each in kept), CHARACTERS_PER_SECOND),
        unlikely=len(unlikely),
        unlikely_examples=tuple(
            f"{_name(each)}: {_rate(each):.1f} characters a second, {_cut(each.spelling)!r}"
            for each in unlikely[:EXAMPLES]
        ),
        contradicting=len(contradicting),
        contradicting_examples=tuple(
            f"{_name(each)}: {_cut(each.spelling)!r}" for each in contradicting[: 2 * EXAMPLES]
        ),
        repeated=repeated,
    )


def count_reasons(dropped: Mapping[str, int]) -> str:
    """Reasons and how many rows each has, in words."""
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())


def _compare_by_recording(kept: Sequence[KeptRow]) -> tuple[list[KeptRow], int]:
    """The rows that contradict another one, side by side, and how many just repeat one."""
    by_recording: defaultdict[object, list[KeptRow]] = defaultdict(list)
    for each in kept:
        by_recording[each.recording].append(each)
    contradicting: list[KeptRow] = []
    repeated = 0
    for rows in by_recording.values():
        spellings = {each.spelling for each in rows}
        repeated += len(rows) - len(spellings)
        contradicting += rows if len(spellings) > 1 else []
    return contradicting, repeated


def _find_unlikely(kept: Sequence[KeptRow]) -> list[KeptRow]:
    if not kept:
        return []
    usual = statistics.median(map(_rate, kept))
    return [each for each in kept if not usual / UNLIKELY_FACTOR <= _rate(each) <= usual * UNLIKELY_FACTOR]


def _rate(row: KeptRow) -> float:
    return len(row.spelling) / row.seconds


def _name(row: KeptRow) -> str:
    return f"row {row.row + 1} ({row.audio_path!r})"


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _warn(what: str, examples: Iterable[str]) -> Notice:
    return Notice(
        "\n".join([f"{what}:" if what[-1] != "?" else what, *(f"  {each}" for each in examples)]), Severity.WARNING
    )
