"""Statements about recordings: PRINT AUDIO, PREDICT, EVALUATE."""

from __future__ import annotations

from dataclasses import dataclass, replace

from query_service.language import options as o
from query_service.language.inner_query import Query
from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import Role

_BATCH_SIZE = o.BATCH_SIZE.partial(
    default=0,
    meaning="most recordings in a batch",
    remark="It is an upper bound; batches are made from the lengths of the files.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintAudio(Statement):
    """Plays the recordings of a query: one player a row, the other columns as its caption.

        PRINT AUDIO OPTIONS (audio_col='recording') AS SELECT recording, speaker FROM calls LIMIT 3

    A query of one column needs no option. Where the query has both what was said and what a model heard, the two are
    compared word by word, and the word error rate of the row stands beside them:

        PRINT AUDIO OPTIONS (text_col='text', result_col='predicted') AS SELECT * FROM (
            PREDICT USING my_model AS SELECT * FROM calls LIMIT 3
        )

    At most 100 recordings, 30 seconds of each, and 1 MiB together: they are sent as small MP3 files, and what was cut
    is told.

    Gives: no rows, but a clip for each row of the query: players in a notebook, paths in a terminal, `Result.clips`
    in Python. A recording that cannot be played is a clip that says why.

    Errors: UnknownTable, UnknownColumn.
    """

    KIND = "PRINT AUDIO"
    FORM = "PRINT AUDIO [OPTIONS (…)] AS query"
    ROLE = Role.READER
    OPTIONS = (
        o.AUDIO_COL,
        replace(o.TEXT_COL, default=None, meaning="column with what was said; 'text' where there is one"),
        replace(o.RESULT_COL, default=None, meaning="column with what was heard; 'predicted' where there is one"),
    )

    query: Query
    audio_col: Name = Name("audio_path")
    text_col: Name | None = None
    result_col: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(Statement):
    """Transcribes the recordings of a query: all its columns, in its order, then the transcript.

        PREDICT USING tutorial_audio_recognition
        OPTIONS (audio_col='audio_path', result_col='heard', confidence_col='confidence')
        AS SELECT * FROM calls

    Recordings are wav, flac, mp3 or ogg, of any rate and number of channels, from 0.1 seconds to four hours. One
    that cannot be read gives NULL, and a notice says how many and why; on_error='fail' stops the statement instead.
    Transcripts are cached by the file's content and the model's version, so a file that was moved or copied is
    known, and a PREDICT that was cut off goes on when it is run again (cache=False: neither used nor filled). With
    text_col the word error rate over the rows is reported.

    Words that the model is likely to miss, such as names, are favoured by hotwords; hotword_weight says how much
    (0.5 to 2 make sense):

        PREDICT USING my_model OPTIONS (hotwords=['Anna Müller', 'Kubernetes'], hotword_weight=1.5)
        AS SELECT * FROM calls

    PREDICT is a table wherever a query has one: see SELECT.

    Gives: every column of the query, in its order and with its rows in theirs, then predicted, or what result_col
    names, a text; then confidence_col (0 to 1), words_col (JSON: a list of word, start, end in seconds, confidence) and
    error_col (why a row has no transcript), where they are named.

    Errors: UnknownModel, UnknownTable, UnknownColumn; InvalidOption where the query has a column of the new one's
    name; with on_error='fail', DataError where a recording cannot be read.
    """

    KIND = "PREDICT"
    FORM = "PREDICT USING model [OPTIONS (…)] AS query"
    ROLE = Role.READER
    OPTIONS = (
        o.AUDIO_COL,
        o.TEXT_COL.partial(default=None, meaning="column with the reference transcript, for the word error rate"),
        o.EPOCHS.ignored("PREDICT does not train."),
        o.MAX_EPOCHS.ignored("PREDICT does not train."),
        _BATCH_SIZE,
        o.RESULT_COL,
        o.COLUMN_NAME,
        o.CONFIDENCE_COL,
        o.WORDS_COL,
        o.ERROR_COL,
        o.ON_ERROR,
        o.CACHE,
        o.HOTWORDS,
        o.HOTWORD_WEIGHT,
    )

    model: Name
    query: Query
    audio_col: Name = Name("audio_path")
    text_col: Name | None = None
    batch_size: int = 0
    result_col: Name = Name("predicted")
    confidence_col: Name | None = None
    words_col: Name | None = None
    error_col: Name | None = None
    on_error: str = "null"
    cache: bool = True
    hotwords: tuple[Name, ...] = ()
    hotword_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate(Statement):
    """Scores a model on recordings whose transcripts are known: error rates with their 95 % intervals.

        EVALUATE USING my_model OPTIONS (audio_col='recording', text_col='text')
        AS SELECT * FROM calls WHERE held_out

    Rows without a text are left out, which a notice says. Where the query has a column speaker, the intervals tell
    of other speakers too. Transcripts are cached as those of PREDICT are, and hotwords favoured. Rates by group are
    a question for SELECT: wer(text, predicted) over a PREDICT, with GROUP BY.

    Gives: metric, score, low, high; the rows wer and cer, as fractions with their bootstrap intervals;
    substitutions, insertions and deletions, in words; rows and audio_seconds, of what was scored; failed_rows, of
    recordings that could not be read (on_error='fail' stops the statement instead).

    Errors: those of PREDICT; DataError where no row has a text.
    """

    KIND = "EVALUATE"
    FORM = "EVALUATE USING model [OPTIONS (…)] AS query"
    ROLE = Role.READER
    OPTIONS = (
        o.AUDIO_COL,
        o.TEXT_COL,
        o.EPOCHS.ignored("EVALUATE does not train."),
        o.MAX_EPOCHS.ignored("EVALUATE does not train."),
        _BATCH_SIZE,
        o.ON_ERROR,
        o.CACHE,
        o.HOTWORDS,
        o.HOTWORD_WEIGHT,
    )

    model: Name
    query: Query
    audio_col: Name = Name("audio_path")
    text_col: Name = Name("text")
    batch_size: int = 0
    on_error: str = "null"
    cache: bool = True
    hotwords: tuple[Name, ...] = ()
    hotword_weight: float | None = None
