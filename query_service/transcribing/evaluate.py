"""EVALUATE: how well a model hears recordings whose transcripts are known, with what a second test set would vary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from query_service.planning.result_columns import find_column
from query_service.planning.steps import Evaluate
from query_service.running.arrow import make_rows, read_rows
from query_service.running.progress import Pacer
from query_service.running.work import Outcome, Steps, Work
from query_service.transcribing.audio_column import find_audio, find_reference
from query_service.transcribing.failures import FailureCount
from query_service.transcribing.recordings import Failure, Recordings
from query_service.transcribing.transcription import Transcription
from thanosql.errors import DataError
from thanosql.types import CachedTranscript, Notice, Progress, Severity

if TYPE_CHECKING:
    from thanosql.evaluation import Evaluation

SPEAKER = "speaker"
"""Column that tells whose voice a row is; where the query has it, the intervals are of other speakers too."""

SHOWN = 3
"""Of the worst rows, and of the confused words of each kind, in a notice."""


def score(step: Evaluate, work: Work) -> Steps:
    """One row for each figure: `metric`, `score`, and `low` and `high` of its 95 % interval where it has one."""
    recordings = Recordings(work.workspace)
    said = _Said()
    with closing(Transcription(step, work, recordings)) as transcription:
        yield from _read_query(step, work, recordings, said, transcription)
        for answer in transcription.transcribe_waiting():
            if not isinstance(answer, int):
                yield answer
        yield from transcription.notices()
    scored = _Scored(recordings, said)
    failed = scored.failures.describe(len(said.references) - said.without)
    if not scored.references:
        raise _nothing_to_score(step, work, said, failed)
    from thanosql.evaluation import evaluate  # loads NumPy

    evaluation = evaluate(scored.references, scored.hypotheses, speakers=scored.speakers, names=scored.paths)
    figures = _figures(evaluation, scored)
    yield make_rows(_COLUMNS, figures)
    if said.without:
        rows = "1 row has" if said.without == 1 else f"{said.without} rows have"
        yield Notice(f"{rows} no text in {step.reference} and cannot be scored.", Severity.WARNING)
    if failed:
        yield Notice(f"{failed}.", Severity.WARNING)
    for text in (evaluation.caveat, _tell_worst(evaluation), _tell_confusions(evaluation)):
        if text:
            yield Notice(text)
    return Outcome(len(figures))


_TYPES: tuple[pa.DataType, ...] = (pa.string(), pa.float64(), pa.float64(), pa.float64())
_COLUMNS = dict(zip(Evaluate.COLUMNS, _TYPES, strict=True))


class _Said:
    """What was said in each row of the query, and by whom."""

    def __init__(self) -> None:
        self.references: list[str | None] = []
        """None where the row tells nothing."""
        self.speakers: list[str | None] = []
        """Empty where the query does not tell them."""
        self.without = 0
        """Rows without a text."""


class _Scored:
    """The rows that have both a text and a transcript, column by column; and those that failed."""

    def __init__(self, recordings: Recordings, said: _Said) -> None:
        self.references: list[str] = []
        self.hypotheses: list[str] = []
        self.paths: list[str] = []
        self.speakers: list[str | None] | None = [] if said.speakers else None
        self.audio_seconds = 0.0
        self.failures = FailureCount(recordings)
        for row, (reference, number) in enumerate(zip(said.references, recordings.rows, strict=True)):
            if reference is None:
                continue
            result = recordings.result(number)
            if isinstance(result, Failure):
                self.failures.add(result, number, row + 1)
                continue
            self._add(reference, result, recordings.paths[number], said.speakers[row] if said.speakers else None)

    def _add(self, reference: str, result: CachedTranscript, path: str, speaker: str | None) -> None:
        self.references.append(reference)
        self.hypotheses.append(result.text)
        self.paths.append(path)
        self.audio_seconds += result.audio_seconds
        if self.speakers is not None:
            self.speakers.append(speaker)


def _read_query(
    step: Evaluate, work: Work, recordings: Recordings, said: _Said, transcription: Transcription
) -> Iterator[Progress]:
    """Takes in the rows of the query: recordings, texts and speakers."""
    pacer = Pacer()
    for rows in work.query(step.query):
        for batch in read_rows(rows):
            work.cancellation.check()
            audio = find_audio(step, work, batch.schema)
            texts = _as_texts(batch.column(find_reference(step.reference, work, batch.schema)))
            speaker = find_column(batch.schema.names, SPEAKER)
            if speaker is not None and SPEAKER not in (step.audio.text.lower(), step.reference.text.lower()):
                said.speakers += _as_texts(batch.column(speaker))
            for path, text in zip(batch.column(audio).to_pylist(), texts, strict=True):
                has_text = text is not None and bool(text.strip())
                said.references.append(text if has_text else None)
                said.without += not has_text
                if has_text:
                    recordings.add_rows((path,))
                else:
                    recordings.leave_out_row()
            transcription.look_up()
            progress = Progress("read rows", len(said.references), unit="rows")
            if pacer.lets_through(progress, work.clock()):
                yield progress


def _as_texts(column: pa.Array[Any]) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _nothing_to_score(step: Evaluate, work: Work, said: _Said, failed: str) -> DataError:
    if not said.references:
        message, hint = "the query gives no rows to score", "Run the query alone to see why."
    elif said.without == len(said.references):
        message = f"none of the {said.without} rows has a text in {step.reference} to score against"
        hint = "OPTIONS (text_col='…') names the column with what was said."
    else:
        message = f"no row can be scored: {failed}"
        hint = f"OPTIONS (audio_col='…') names the column with the recordings; {step.audio} was taken."
    return work.source.error(DataError, message, work.query_at, hint)


def _figures(evaluation: Evaluation, scored: _Scored) -> list[tuple[str, float, float | None, float | None]]:
    words = evaluation.words
    return [
        ("wer", evaluation.wer.score, evaluation.wer.low, evaluation.wer.high),
        ("cer", evaluation.cer.score, evaluation.cer.low, evaluation.cer.high),
        ("substitutions", words.substitutions, None, None),
        ("insertions", words.insertions, None, None),
        ("deletions", words.deletions, None, None),
        ("rows", evaluation.rows, None, None),
        ("audio_seconds", round(scored.audio_seconds, 3), None, None),
        ("failed_rows", scored.failures.rows, None, None),
    ]


def _tell_worst(evaluation: Evaluation) -> str:
    worst = ", ".join(
        f"{row.name} ({row.errors} {'error' if row.errors == 1 else 'errors'}, {row.wer:.0%})"
        for row in evaluation.worst[:SHOWN]
    )
    return f"Most errors in words: {worst}." if worst else ""


def _tell_confusions(evaluation: Evaluation) -> str:
    kinds = (
        ("heard as another", evaluation.confusions, "{0.reference} as {0.heard} ({0.count})"),
        ("left out", evaluation.deletions, "{0.reference} ({0.count})"),
        ("heard where they were not said", evaluation.insertions, "{0.heard} ({0.count})"),
    )
    told = []
    for kind, confusions, form in kinds:
        words = [form.format(each) for each in confusions[:SHOWN] if each.count > 1]  # once is chance
        if words:
            told.append(f"{kind}: {', '.join(words)}")
    return f"Words most often {'; '.join(told)}." if told else ""
