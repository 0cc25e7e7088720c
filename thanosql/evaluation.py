"""How well transcripts match their references: error rates with intervals, confused words, the worst rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from thanosql.bootstrap import (
    CONFIDENCE,
    FEWEST_UNITS,
    Interval,
    Numbers,
    divide,
    find_interval,
    resample_sums,
    sum_by_speaker,
)
from thanosql.confusions import Confusion, WordEdit, cut, find_word_edits, rank_confusions
from thanosql.scoring import ErrorCounts, count_errors, normalise

SHOWN_ROWS = 10
"""Worst rows shown."""

TEXT_LENGTH = 300
"""Characters after which a reference, a transcript or a name is cut where it is shown."""

Unit = Literal["row", "speaker"]


@dataclass(frozen=True, slots=True)
class WorstRow:
    """A row with many errors."""

    row: int
    """Place among the rows that were evaluated, from 1."""
    name: str
    """Its path, or whatever names it; "" where the rows have no names."""
    reference: str
    hypothesis: str
    """Both as given, cut after `TEXT_LENGTH` characters."""
    errors: int
    """In words."""
    wer: float


@dataclass(frozen=True, slots=True, eq=False)
class RowCounts:
    """What comparing two evaluations, and drawing rows again, takes of every row; not for reports."""

    counts: Numbers
    """`[rows, 4]`: errors in words, words, errors in characters, characters."""
    speakers: tuple[str, ...] | None
    """Of each row; None where they are not known of all."""

    def units(self) -> tuple[Numbers, Unit]:
        """The counts of what is drawn again, `[units, 4]`, and what that is."""
        if self.speakers is not None and len(set(self.speakers)) >= FEWEST_UNITS:
            return sum_by_speaker(self.counts, self.speakers), "speaker"
        return self.counts, "row"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Hypotheses against references, both normalised (`thanosql.scoring.normalise`)."""

    wer: Interval
    cer: Interval
    words: ErrorCounts
    characters: ErrorCounts
    """Spaces between words included."""
    rows: int
    speakers: int | None
    """How many there are; None where they are not known of all rows."""
    resampled_by: Unit
    """What the bootstrap drew again."""
    confusions: tuple[Confusion, ...]
    """The most frequent pairs of a word and another heard in its place."""
    deletions: tuple[Confusion, ...]
    """The words most often left out."""
    insertions: tuple[Confusion, ...]
    """The words most often heard where none was said."""
    worst: tuple[WorstRow, ...]
    """Those with the most errors in words, among equals with the highest rate; none without errors."""
    row_counts: RowCounts = field(repr=False, compare=False)

    @property
    def caveat(self) -> str:
        """What the intervals do not cover; "" where that is nothing known."""
        if self.speakers is None or self.resampled_by == "speaker" or self.wer.low is None:
            return ""
        voices = "one speaker" if self.speakers == 1 else f"{self.speakers} speakers"
        return (
            f"The rows are of {voices} only: the interval is of other recordings of the same, and other speakers may "
            f"lie outside. From {FEWEST_UNITS} speakers on it covers them."
        )

    def to_json(self) -> dict[str, Any]:
        """All of it but the counts of single rows, as JSON has it: some kilobytes whatever the number of rows."""
        kept = dataclasses.replace(self, row_counts=RowCounts(np.empty((0, 4)), None))
        return {name: value for name, value in dataclasses.asdict(kept).items() if name != "row_counts"}


def evaluate(
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    speakers: Sequence[str | None] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Scores transcripts, in one pass over the rows.

    Args:
        references: What was said, of each row.
        hypotheses: What was heard.
        speakers: Of each row. With `FEWEST_UNITS` or more, and none unknown, the intervals tell of other
            speakers too; else of other recordings of these.
        names: Of each row, for the worst ones; a path, say.
        seed: Of the bootstrap.

    Raises:
        ValueError: the columns are of different length.

    >>> evaluation = evaluate(["we like ice cream", "so do they"], ["we like I scream", "so do they"])
    >>> f"{evaluation.wer.score:.1%}", evaluation.words.substitutions, evaluation.worst[0].row
    ('28.6%', 2, 1)
    """
    if {len(column) for column in (hypotheses, speakers, names) if column is not None} != {len(references)}:
        raise ValueError(f"{len(references)} references do not go with the other columns of the rows")
    names = [""] * len(references) if names is None else names
    words, characters = ErrorCounts(), ErrorCounts()
    counts = np.zeros((len(references), 4))
    edits: list[WordEdit] = []
    for row, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        said, heard = normalise(reference), normalise(hypothesis)
        in_words, in_characters, of_row = _compare(said, heard)
        words += in_words
        characters += in_characters
        edits += of_row
        counts[row] = in_words.errors, in_words.length, in_characters.errors, in_characters.length
    known = tuple(each for each in speakers or () if each is not None)
    row_counts = RowCounts(counts, known if speakers is not None and len(known) == len(references) else None)
    units, unit = row_counts.units()
    confusions = rank_confusions(edits)
    wer, cer = _find_intervals(units, words, characters, seed)
    return Evaluation(
        wer=wer,
        cer=cer,
        words=words,
        characters=characters,
        rows=len(references),
        speakers=None if row_counts.speakers is None else len(set(row_counts.speakers)),
        resampled_by=unit,
        confusions=confusions["substitution"],
        deletions=confusions["deletion"],
        insertions=confusions["insertion"],
        worst=tuple(_find_worst(counts, references, hypotheses, names)),
        row_counts=row_counts,
    )


def _compare(said: str, heard: str) -> tuple[ErrorCounts, ErrorCounts, list[WordEdit]]:
    if said == heard:
        return ErrorCounts(length=len(said.split())), ErrorCounts(length=len(said)), []
    reference = said.split()
    edits = list(find_word_edits(reference, heard.split()))
    insertions = sum(not left for left, _ in edits)
    deletions = sum(not right for _, right in edits)
    in_words = ErrorCounts(len(edits) - insertions - deletions, insertions, deletions, len(reference))
    return in_words, count_errors(said, heard), edits


def _find_intervals(
    units: Numbers, words: ErrorCounts, characters: ErrorCounts, seed: int
) -> tuple[Interval, Interval]:
    if not len(units):
        return Interval(0.0), Interval(0.0)
    sums = resample_sums(units, seed)
    wer = _find_interval(words, divide(sums[:, 0], sums[:, 1]), len(units))
    return wer, _find_interval(characters, divide(sums[:, 2], sums[:, 3]), len(units))


def _find_interval(counts: ErrorCounts, resampled: Numbers, units: int) -> Interval:
    interval = find_interval(counts.rate, resampled, units)
    if counts.errors or interval.low is None:
        return interval
    # Where there is no error to draw again, each resample is perfect, and the model need not be. Clopper and
    # Pearson's upper end for none in n (Biometrika 26, 1934), about 3.7 / n, takes words to err independently.
    return Interval(0.0, 0.0, 1 - ((1 - CONFIDENCE) / 2) ** (1 / max(counts.length, 1)))


def _find_worst(
    counts: Numbers, references: Sequence[str], hypotheses: Sequence[str], names: Sequence[str]
) -> Iterator[WorstRow]:
    errors, rates = counts[:, 0], divide(counts[:, 0], counts[:, 1])
    for row in np.lexsort((-rates, -errors))[:SHOWN_ROWS].tolist():
        if errors[row]:
            name, said, heard = (cut(text, TEXT_LENGTH) for text in (names[row], references[row], hypotheses[row]))
            yield WorstRow(row + 1, name, said, heard, int(errors[row]), float(rates[row]))
