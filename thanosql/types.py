"""The values that services, clients and the SDK exchange, as plain frozen data.

Each class mirrors the message of the same name in `protos/thanosql/v1/`, field by field;
`thanosql.convert` translates between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from thanosql.workspace import DEFAULT_WORKSPACE

EPOCH = datetime.fromtimestamp(0, UTC)


class IfExists(StrEnum):
    """What becomes of a table or model whose name is taken."""

    FAIL = "fail"
    REPLACE = "replace"
    APPEND = "append"


class Severity(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"


class ModelState(StrEnum):
    """Whether a model's files stand in the model store."""

    PENDING = "pending"
    READY = "ready"


class JobKind(StrEnum):
    """What a job does: fine-tune a base model, export one as it is, or go on training a model."""

    BUILD = "build"
    EXPORT = "export"
    FIT = "fit"


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Role(StrEnum):
    """What somebody may do; each includes those before it."""

    READER = "reader"
    """Reads, listens and transcribes: nothing that others have is changed."""
    WRITER = "writer"
    """Makes and changes tables, models, files and jobs of the workspace."""
    ADMIN = "admin"
    """Gives and revokes tokens, of all workspaces."""

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class BaseModelSource(StrEnum):
    """Where the files of a base model come from."""

    HUB = "hub"
    CACHED = "cached"
    BUNDLED = "bundled"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user that is not an error."""

    text: str
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is: `done` of `total` `unit`s, at `rate` units per second."""

    phase: str
    done: float = 0.0
    total: float = 0.0
    """0 where it is not known."""
    unit: str = ""
    rate: float = 0.0
    seconds_left: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    """Named figures of the moment: loss, wer, learning_rate, audio_seconds_per_second."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a result: one self-contained Arrow IPC stream (schema and one record batch)."""

    ipc: bytes


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with PostgreSQL's name of its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Table:
    """A user's table."""

    name: str
    columns: tuple[Column, ...] = ()
    rows: int = 0
    updated_at: datetime = EPOCH
    written_by: str = ""
    """Id of the query whose statement wrote it last; empty: not known."""
    written_rows: int = 0
    """Rows that this statement wrote, changed or deleted."""


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model."""

    name: str
    version: int
    class_name: str
    """What stood after USING: Wav2Vec2En."""
    base: str
    """The checkpoint it was made from, with its revision."""
    state: ModelState = ModelState.READY
    wer: float | None = None
    """Word error rate on the held-out rows, as a fraction."""
    cer: float | None = None
    updated_at: datetime = EPOCH
    report: str = "{}"
    """The training report, as JSON."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every table and the newest version of every model, as of one moment."""

    tables: tuple[Table, ...] = ()
    models: tuple[Model, ...] = ()
    sql_dialect: str = "duckdb"
    """sqlglot's name of the SQL that the table store speaks."""


@dataclass(frozen=True, slots=True)
class SqlStart:
    """The first message of a statement that rows may come with."""

    sql: str
    """In the SQL of `Snapshot.sql_dialect`."""
    relations: tuple[str, ...] = ()
    """Names in `sql` that are no tables: their rows follow."""
    table: str = ""
    """The table that is written."""
    if_exists: IfExists = IfExists.FAIL
    """APPEND: INSERT, the table must be there."""
    columns: tuple[str, ...] = ()
    """Of an INSERT: the columns that the query's stand for; empty: the table's, in their order."""


@dataclass(frozen=True, slots=True)
class RelationRows:
    """Some rows of a relation."""

    relation: int
    """Place in `SqlStart.relations`."""
    rows: Rows


@dataclass(frozen=True, slots=True)
class CopyTableResult:
    """The end of a COPY."""

    rows: int


@dataclass(frozen=True, slots=True)
class BaseModel:
    """What a name after USING stands for here and now."""

    name: str
    checkpoint: str
    """Hugging Face repository id, or folder."""
    revision: str = ""
    language: str = ""
    source: BaseModelSource = BaseModelSource.HUB
    description: str = ""
    fallback_notice: str = ""
    """Not empty where another checkpoint than the one asked for is used: which, and why."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that can be had by its name."""

    name: str
    path: str
    """Where it stands, or would stand: relative to the workspace root."""
    description: str = ""
    is_there: bool = False
    """All its files are there."""


@dataclass(frozen=True, slots=True)
class GetDatasetResult:
    """The end of a data set that was got."""

    path: str
    """Relative to the workspace root."""
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a training or export job is to do."""

    kind: JobKind
    model: str
    base: str
    """What stood after USING: a base model's name, a repository id or a folder; the name of a model for FIT."""
    epochs: int = 5
    batch_size: int = 16
    """Upper bound of rows in a training batch."""
    learning_rate: float | None = None
    """None: by the recipe, from the amount of data."""
    eval_fraction: float | None = None
    """None: 0.1 from 50 rows up, else 0."""
    seed: int = 0
    early_stopping: bool = False
    statement: str = ""
    lora: bool = False
    """Low-rank adapters are trained in place of the transformer's weights."""
    augmentation: bool | None = None
    """None: from the amount of data."""
    language_model: str = ""
    """Empty: built where there are enough words, kept where it helps; "true", "false", or a file of the workspace."""
    devices: int = 1
    """Processes that train together, each on a device of its own."""
    new_version: bool = False
    """Of an export: it makes a new version, whatever versions there are; otherwise that which is registered as pending.
    """


@dataclass(frozen=True, slots=True)
class Job:
    """A training or export job, as the catalog knows it."""

    id: str
    spec: JobSpec
    state: JobState = JobState.QUEUED
    owner: str = ""
    lease_expires_at: datetime = EPOCH
    attempts: int = 0
    created_at: datetime = EPOCH
    updated_at: datetime = EPOCH
    error: str = ""
    workspace: str = DEFAULT_WORKSPACE
    """Whose tables, models and files it works with."""


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token, without its secret."""

    id: str
    name: str
    """Whose it is, or what for."""
    role: Role
    workspace: str
    created_at: datetime = EPOCH
    expires_at: datetime | None = None
    """None: it holds until it is revoked."""
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    """About when it was last used."""


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file that somebody wants to send into the workspace."""

    path: str
    """Where it shall stand, relative to the workspace root."""
    size: int
    """In bytes."""
    checksum: str
    """SHA-256 of its bytes, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class UploadState:
    """How much of a file the server has."""

    path: str
    received: int = 0
    """Bytes of an upload that broke off, which need not be sent again."""
    is_there: bool = False
    """The same bytes stand in its place already."""
    problem: str = ""
    """Why it cannot be sent: another file is there, the path is refused."""
    is_underway: bool = False
    """Somebody is sending it just now."""


@dataclass(frozen=True, slots=True)
class UploadStart:
    """A file begins to come; its bytes follow."""

    file: UploadFile
    offset: int = 0
    """The first byte that comes; what is before it was received earlier."""
    overwrite: bool = False


class UploadOutcome(StrEnum):
    """What has become of a file."""

    PLACED = "placed"
    """It stands in its place."""
    IS_THERE = "is there"
    """The same bytes stood there before."""
    REFUSED = "refused"
    """It is not taken; `problem` says why."""
    DAMAGED = "damaged"
    """The bytes that came are not those of the checksum; none is kept."""
    UNDERWAY = "underway"
    """Somebody else is sending it just now."""
    INCOMPLETE = "incomplete"
    """Not all bytes came; those that did are kept."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """What has become of a file that was sent."""

    path: str
    size: int = 0
    problem: str = ""
    outcome: UploadOutcome = UploadOutcome.PLACED


@dataclass(frozen=True, slots=True)
class JobResult:
    """The end of a job that succeeded."""

    model: str
    version: int
    wer: float | None = None
    cer: float | None = None
    train_rows: int = 0
    dropped_rows: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a training would be like, as far as that follows from the amount of data."""

    train_rows: int
    held_out_rows: int
    train_seconds: float
    """Of audio in an epoch."""
    epochs: int
    steps: int
    """Of the optimiser, in an epoch."""
    step_rows: int
    """Most rows in a step."""
    learning_rate: float
    is_augmented: bool = False
    """Clips are masked and their speed is perturbed."""
    uses_adapters: bool = False
    """The weights stay as they are, and adapters are trained."""
    longest_seconds: float = 0.0
    """The longest recording that is learned from; 0: not told."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job has come, as its trainer knows it."""

    id: str
    progress: Progress | None = None
    """The last that the job told; None: it has told none."""
    next_event: int = 0
    """Number of its next event."""
    resumable: bool = False
    """Its rows are there, so it can be taken up again where it has not succeeded."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened in a job; `number` counts from 0 without gaps."""

    number: int
    event: Progress | Notice | JobResult


@dataclass(frozen=True, slots=True)
class AudioKey:
    """The file that a transcript is of, as it was when it was transcribed."""

    path: str
    """Relative to the workspace root."""
    size: int
    modified_ns: int
    content: str = field(default="", compare=False)
    """Hash of the bytes (BLAKE2b of 16 bytes, in hexadecimal); empty where it is not known."""


@dataclass(frozen=True, slots=True)
class CachedTranscript:
    """A transcript that need not be computed again."""

    key: AudioKey
    text: str
    confidence: float = 0.0
    words: str = "[]"
    """JSON list of `Word`s."""
    audio_seconds: float = 0.0


class Priority(StrEnum):
    """Who goes first when there is more to do than can be done at once."""

    BULK = "bulk"
    """Many clips of which nobody awaits a single one."""
    INTERACTIVE = "interactive"
    """Somebody waits for this one."""


class ServingState(StrEnum):
    """Whether a version of a model can be served."""

    IDLE = "idle"
    """In the model store, not in memory."""
    READY = "ready"
    BROKEN = "broken"
    """It could not be loaded."""


@dataclass(frozen=True, slots=True)
class TranscribeStart:
    """Opens a stream of clips for one version of one model."""

    model: str
    version: int
    batch_size: int = 0
    """Upper bound of rows in a batch; 0: the server's own."""
    words: bool = False
    """Word times and confidences are wanted."""
    priority: Priority = Priority.BULK
    hotwords: tuple[str, ...] = ()
    """Words and phrases that are likely to be said; they are favoured."""
    hotword_weight: float = 0.0
    """Nats for each letter of them; 0: the server's own."""


@dataclass(frozen=True, slots=True)
class TranscribeClip:
    """A recording to transcribe: by `path` under the workspace root, or as the bytes of a file."""

    id: int
    path: str | None = None
    audio: bytes | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a transcript, with its time in seconds and a confidence from 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a clip says."""

    id: int
    text: str
    confidence: float = 0.0
    words: tuple[Word, ...] = ()
    audio_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ClipFailure:
    """Why a clip has no transcript; `reason` is `AudioError.reason`."""

    id: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """How a model's batches are computed on one machine: what a calibration chose, or a setting."""

    device: str
    """ "cpu" or "cuda"."""
    engine: str
    """ "onnxruntime" or "openvino"."""
    precision: str
    """ "fp32", "bf16" or "int8"."""
    workers: int
    """Batches computed at once."""
    threads: int
    """CPU threads of each."""
    batch_seconds: float
    """Rows × longest row, in seconds of audio, that a batch may have."""
    batch_rows: int
    concurrent_seconds: float
    """Padded seconds of all batches that are computed at one time."""
    audio_rate: float = 0.0
    """Seconds of audio a second, all workers together, as calibrated; 0: not measured."""
    reason: str = ""
    """What was measured and why this was chosen."""


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """How one version of a model is served, and what it has done since the service started."""

    model: str
    version: int
    state: ServingState = ServingState.READY
    problem: str = ""
    """Why it could not be loaded."""
    plan: ServingPlan | None = None
    clips: int = 0
    """Answered with a transcript."""
    failures: int = 0
    """Answered with a failure."""
    rejected: int = 0
    """Refused at the door."""
    cancelled: int = 0
    """Given up by the caller."""
    late: int = 0
    """Not answered by their deadline."""
    batches: int = 0
    audio_seconds: float = 0.0
    padded_seconds: float = 0.0
    compute_seconds: float = 0.0
    """Summed over the workers."""
    queue_seconds: float = 0.0
    """Summed over what was computed: from its arrival to the begin of its batch."""
    waiting_seconds: float = 0.0
    """Seconds of audio that wait now."""
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """Recordings of which one wants to know what it will take to transcribe them."""

    model: str
    version: int
    batch_size: int = 0
    """Upper bound of rows in a batch; 0: the server's own."""
    seconds: tuple[float, ...] = ()
    """Lengths of all recordings, or of some that stand for the others."""
    recordings: int = 0
    """How many there are; 0: as many as lengths."""
    hotwords: bool = False
    """Words are to be favoured, which takes a slower way to read what the model says."""


@dataclass(frozen=True, slots=True)
class TranscriptionEstimate:
    """What it will take to transcribe some recordings on one machine, with nothing else to do."""

    is_known: bool = False
    """The model was measured on this machine, or has computed something since the start of its service."""
    batches: int = 0
    compute_seconds: float = 0.0
    """Summed over the workers."""
    elapsed_seconds: float = 0.0
    """From the first recording to the last answer, the model being in memory."""
    measured_on: str = ""
    """The day (UTC) on which it was measured: 2026-11-27; empty: not told."""
    is_loaded: bool = False
    """It is in memory: else loading it comes before."""
    plan: ServingPlan | None = None
    """How it is served, or would be; None where it was never measured here."""
    reason: str = ""
    """What the figures rest on, or why there are none."""
    longest_seconds: float = 0.0
    """The longest recording that is taken; 0: not told. Longer and too short ones are left out."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model repository for Triton that was written."""

    path: str
    """Of the model in the repository, relative to the workspace root."""
    bytes: int


@dataclass(frozen=True, slots=True)
class StatementStarted:
    """A statement of the text begins."""

    query_id: str
    index: int
    kind: str
    statement: str


@dataclass(frozen=True, slots=True)
class StatementDone:
    """A statement of the text has ended well."""

    index: int
    rows: int
    seconds: float
    message: str = ""
    """ "Success" for effects; empty for statements that return rows."""


@dataclass(frozen=True, slots=True)
class ClipCaption:
    """A column of the row that a clip belongs to, as text."""

    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording to play."""

    path: str
    media_type: str = ""
    audio: bytes = b""
    seconds: float = 0.0
    caption: tuple[ClipCaption, ...] = ()
    error: str = ""
    """Why there is nothing to play; empty where there is."""
    reference_column: str = ""
    predicted_column: str = ""
    """The columns of the caption with what was said and what was heard; empty where there are not both."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a query; `number` counts from 0 without gaps."""

    number: int
    event: StatementStarted | Rows | Progress | Notice | Clip | StatementDone
