"""The statements of the dialect: a frozen dataclass each, whose docstring is its manual.

`OPTIONS` is the statement's row in the dialect's table of options, `FORM` the shape that hints show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from query_service import options as o
from query_service.inner_query import Query
from query_service.options import Name, Option
from thanosql.types import IfExists


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What all statements have."""

    KIND: ClassVar[str]
    FORM: ClassVar[str]
    OPTIONS: ClassVar[tuple[Option, ...]] = ()

    at: int = field(default=0, compare=False, repr=False)
    """Where the statement begins in the user's text."""
    text: str = field(default="", compare=False, repr=False)
    """The statement as the user wrote it."""
    weak: tuple[Option, ...] = field(default=(), compare=False, repr=False)
    """Options that were given and have a partial effect or none; a notice says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Statement):
    """Asks a question of the tables. One query, also with WITH, UNION or VALUES; it changes nothing.

    SELECT * FROM librispeech_train LIMIT 5
    """

    KIND = "SELECT"
    FORM = "SELECT columns FROM table"

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Statement):
    """Reads a file of the workspace into a table.

    COPY calls OPTIONS (overwrite=True) FROM 'recordings/calls.csv'

    The first line names the columns. All or nothing: when it fails, an existing table stays as it was.
    """

    KIND = "COPY"
    FORM = "COPY table [OPTIONS (…)] FROM 'path'"
    OPTIONS = (
        o.OVERWRITE,
        o.IF_EXISTS,
        o.AUDIO_COL.ignored("It matters where a folder of audio files is copied, which is not yet supported."),
    )

    table: Name
    path: Name
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable(Statement):
    """Deletes a table.

    DROP TABLE IF EXISTS calls
    """

    KIND = "DROP TABLE"
    FORM = "DROP TABLE [IF EXISTS] table"

    table: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintAudio(Statement):
    """Plays the recordings of a query: one player a row, the other columns as its caption.

    PRINT AUDIO OPTIONS (audio_col='recording') AS SELECT recording, speaker FROM calls LIMIT 3

    A query of one column needs no option. At most 100 recordings, 30 seconds of each.
    """

    KIND = "PRINT AUDIO"
    FORM = "PRINT AUDIO [OPTIONS (…)] AS query"
    OPTIONS = (o.AUDIO_COL,)

    query: Query
    audio_col: Name = Name("audio_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildModel(Statement):
    """Fine-tunes a base model on the rows of a query, into a new model.

    BUILD MODEL my_model USING Wav2Vec2En
    OPTIONS (audio_col='audio_path', text_col='text', epochs=1, batch_size=4, overwrite=True)
    AS SELECT * FROM librispeech_train

    The base is a name of LIST BASE MODELS, or in quotes a Hugging Face repository or a folder with a
    Wav2Vec2 CTC checkpoint. With overwrite=True an existing model gets a new version.
    """

    KIND = "BUILD MODEL"
    FORM = "BUILD MODEL model USING base [OPTIONS (…)] AS query"
    OPTIONS = (
        o.AUDIO_COL,
        o.TEXT_COL,
        o.EPOCHS,
        o.MAX_EPOCHS,
        o.BATCH_SIZE,
        o.LEARNING_RATE,
        o.EVAL_FRACTION,
        o.SEED,
        o.EARLY_STOPPING,
        o.LORA,
        o.AUGMENTATION,
        o.DEVICES,
        o.LANGUAGE_MODEL,
        o.OVERWRITE,
        o.IF_EXISTS,
    )

    model: Name
    base: Name
    query: Query
    audio_col: Name = Name("audio_path")
    text_col: Name = Name("text")
    epochs: int = 5
    batch_size: int = 16
    learning_rate: float | None = None
    eval_fraction: float | None = None
    seed: int = 0
    early_stopping: bool = False
    lora: bool = False
    augmentation: bool | None = None
    devices: int = 1
    language_model: Name | None = None
    """ "true", "false" or a path; None: built where there are enough words, and kept where it helps."""
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class FitModel(BuildModel):
    """Goes on training a model on the rows of a query, into a new version of it, or into a model of another name.

    FIT MODEL my_model USING my_model OPTIONS (epochs=2) AS SELECT * FROM new_calls

    Behind USING stands a model of LIST MODELS; its newest version is where the training begins. It stays as it is, and
    so does its class_name. The options are those of BUILD MODEL; overwrite=True is needed only where the new model has
    the name of another one that exists.
    """

    KIND = "FIT MODEL"
    FORM = "FIT MODEL model USING model [OPTIONS (…)] AS query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict(Statement):
    """Transcribes the recordings of a query: all its columns, in its order, then the transcript.

    PREDICT USING tutorial_audio_recognition
    OPTIONS (audio_col='audio_path', result_col='heard', confidence_col='confidence')
    AS SELECT * FROM calls

    A recording that cannot be read gives NULL; on_error='fail' stops the statement instead. Transcripts
    are cached by file and model version (cache=False: neither used nor filled). With text_col the word
    error rate over the rows is reported. Words that the model is likely to miss, such as names, are favoured by
    hotwords=['Anna Müller', 'Kubernetes']; hotword_weight says how much (1; 0.5 to 2 make sense).
    """

    KIND = "PREDICT"
    FORM = "PREDICT USING model [OPTIONS (…)] AS query"
    OPTIONS = (
        o.AUDIO_COL,
        o.TEXT_COL.partial(default=None, meaning="column with the reference transcript, for the word error rate"),
        o.EPOCHS.ignored("PREDICT does not train."),
        o.MAX_EPOCHS.ignored("PREDICT does not train."),
        o.BATCH_SIZE.partial(default=0, remark="It is an upper bound; batches are made from the lengths of the files."),
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
class ExportModel(Statement):
    """Writes a model as a repository that NVIDIA's Triton Inference Server loads.

    EXPORT MODEL my_model TO 'triton'

    The folder is made where there is none, under the workspace root, and may hold several models; a model that is
    in it already is not overwritten. triton/my_model/README.md says how to start Triton on it. A query_service whose
    setting `inference` is oip://host:port then transcribes there.
    """

    KIND = "EXPORT MODEL"
    FORM = "EXPORT MODEL model TO 'folder'"

    model: Name
    path: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTables(Statement):
    """Shows the tables.

    LIST TABLES
    """

    KIND = "LIST TABLE"
    FORM = "LIST {TABLE | MODEL | BASE MODELS | JOBS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels(Statement):
    """Shows the models, the newest version of each.

    LIST MODELS
    """

    KIND = "LIST MODEL"
    FORM = "LIST {TABLE | MODEL | BASE MODELS | JOBS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBaseModels(Statement):
    """Shows the names that may stand after USING in BUILD MODEL.

    LIST BASE MODELS
    """

    KIND = "LIST BASE MODELS"
    FORM = "LIST {TABLE | MODEL | BASE MODELS | JOBS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Statement):
    """Shows the trainings and exports, the newest first: what they do, and how far they are.

    LIST JOBS
    """

    KIND = "LIST JOBS"
    FORM = "LIST {TABLE | MODEL | BASE MODELS | JOBS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTable(Statement):
    """Shows the columns of a table and their types.

    DESCRIBE TABLE librispeech_train
    """

    KIND = "DESCRIBE TABLE"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"

    table: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeModel(Statement):
    """Shows what a model was made from and what its training reported.

    DESCRIBE MODEL my_model
    """

    KIND = "DESCRIBE MODEL"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"

    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeJob(Statement):
    """Shows what a job is to do, how far it is, and why it failed.

    DESCRIBE JOB 4f2e91ab

    The id is that of LIST JOBS, or as many of its first characters as make it clear, four at least.
    """

    KIND = "DESCRIBE JOB"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"

    job: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Statement):
    """Stops a job. Its last checkpoint is kept for some days, so that it can be resumed.

    CANCEL JOB 4f2e91ab
    """

    KIND = "CANCEL JOB"
    FORM = "CANCEL JOB id"

    job: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeJob(Statement):
    """Takes a job that failed or was cancelled up again, from its last checkpoint, and follows it to its end.

    RESUME JOB 4f2e91ab

    It gives the row that BUILD MODEL gives. A job that waits or runs is followed; interrupting the statement
    cancels it.
    """

    KIND = "RESUME JOB"
    FORM = "RESUME JOB id"

    job: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteModel(Statement):
    """Deletes a model, all its versions.

    DELETE MODEL my_model
    """

    KIND = "DELETE MODEL"
    FORM = "{DELETE | DROP} MODEL [IF EXISTS] model"

    model: Name
    if_exists: bool = False
