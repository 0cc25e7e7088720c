"""The result of PREDICT: rows joined with the transcripts of their recordings, and what is told about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from query_service.language.options import Name
from query_service.planning.result_columns import find_column
from query_service.planning.steps import Transcribe
from query_service.running.arrow import to_rows
from query_service.transcribing.failures import FailureCount
from query_service.transcribing.recordings import Failure, Recordings
from thanosql.types import CachedTranscript, Notice, Rows, Severity


class PredictionRows:
    """Joins batch after batch, in the order of the rows, and counts what went wrong."""

    def __init__(self, step: Transcribe, recordings: Recordings) -> None:
        self._step = step
        self._recordings = recordings
        self._next_row = 0
        self._failed = FailureCount(recordings)
        self._references: list[str] = []
        self._hypotheses: list[str] = []

    def next_numbers(self, batch: pa.RecordBatch) -> Sequence[int]:
        """The numbers of the recordings of the next rows, as many as the batch has."""
        return self._recordings.rows[self._next_row : self._next_row + batch.num_rows]

    def join(self, batch: pa.RecordBatch) -> Rows:
        """The next rows, with the columns that the statement adds."""
        numbers = self.next_numbers(batch)
        first_row = self._next_row + 1
        self._next_row += batch.num_rows
        results = [self._recordings.result(number) for number in numbers]
        known = [result if isinstance(result, CachedTranscript) else None for result in results]
        for row, (number, result) in enumerate(zip(numbers, results, strict=True), first_row):
            if isinstance(result, Failure):
                self._failed.add(result, number, row)
        step = self._step
        columns: list[tuple[Name, pa.Array[Any]]] = [
            (step.result, pa.array([each and each.text for each in known], pa.string()))
        ]
        if step.confidence is not None:
            columns.append((step.confidence, pa.array([each and each.confidence for each in known], pa.float64())))
        if step.words is not None:
            columns.append((step.words, pa.array([each and each.words for each in known], pa.string())))
        if step.error is not None:
            messages = [result.message if isinstance(result, Failure) else None for result in results]
            columns.append((step.error, pa.array(messages, pa.string())))
        if step.reference is not None:
            self._compare(batch, known)
        schema = batch.schema
        for name, column in columns:
            schema = schema.append(pa.field(name.text, column.type))
        return to_rows(pa.RecordBatch.from_arrays([*batch.columns, *(column for _, column in columns)], schema=schema))

    def notices(self) -> Iterator[Notice]:
        """What the user is told at the end: rows without a transcript, and the word error rate."""
        total = len(self._recordings.rows)
        failed = self._failed.describe(total)
        if failed:
            yield Notice(f"{failed}.", Severity.WARNING)
        if self._step.reference is not None:
            yield self._word_error_rate(total)

    def _compare(self, batch: pa.RecordBatch, known: Sequence[CachedTranscript | None]) -> None:
        reference = self._step.reference
        index = None if reference is None else find_column(batch.schema.names, reference.text)
        if index is None:
            return
        for text, result in zip(batch.column(index).to_pylist(), known, strict=True):
            if result is not None and text is not None and str(text).strip():
                self._references.append(str(text))
                self._hypotheses.append(result.text)

    def _word_error_rate(self, total: int) -> Notice:
        if not self._references:
            return Notice(f"No word error rate: no row has both a transcript and a text in {self._step.reference}.")
        from thanosql.scoring import word_errors

        counts = word_errors(self._references, self._hypotheses)
        compared = len(self._references)
        over = f"{total} rows" if compared == total else f"the {compared} of {total} rows that have both"
        return Notice(f"Word error rate against {self._step.reference}, over {over}: {counts.rate:.1%}.")
