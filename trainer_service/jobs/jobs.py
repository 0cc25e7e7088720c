"""Decides about jobs: which are sound, what the child process is told, and what its end means."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from thanosql import errors
from thanosql.errors import InvalidOption, JobFailed, ThanoSQLError
from thanosql.types import BaseModel, BaseModelSource, JobKind, JobResult, JobSpec, Notice, Progress, Severity

_MODEL_NAME = re.compile(r"[^\W][^/\\\x00-\x1f]{0,99}")


@dataclass(frozen=True, slots=True)
class Task:
    """All that the child process is told. Paths are absolute."""

    job_id: str
    spec: JobSpec
    base: BaseModel
    version: int
    workspace: str
    models: str
    """The model store."""
    rows: str
    """Arrow file of the rows; empty for an export."""
    device: str = "auto"
    threads: int = 0
    max_seconds: float = 40.0
    state: str = ""
    """Folder in which the training keeps what it goes on from; it outlives the child. Empty: nothing is kept."""
    torchrun: str = "--standalone"
    """Options of torchrun, where a training takes several devices."""
    killed_again: int = 0
    """Processes that were killed where one before them had been: memory runs out there, so let this one take less."""
    otlp_endpoint: str = ""
    """Collector that the process sends its spans to; empty: none."""
    traceparent: str = ""
    """The span of the job, as a W3C header."""

    @property
    def class_name(self) -> str:
        """What LIST MODELS calls the model after: its base, or for FIT that of the model which it goes on from."""
        return self.base.name

    @property
    def origin(self) -> str:
        """Checkpoint and revision that the model is made from, for FIT model and version, as the catalog keeps it."""
        if self.spec.kind is JobKind.FIT:
            return f"{self.spec.base}@{PurePath(self.base.checkpoint).name}"
        return describe_base(self.base)

    def to_json(self) -> str:
        """For the child's standard input."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Task:
        """What `to_json` wrote."""
        values = json.loads(text)
        spec = JobSpec(**{**values["spec"], "kind": JobKind(values["spec"]["kind"])})
        base = BaseModel(**{**values["base"], "source": BaseModelSource(values["base"]["source"])})
        return cls(**{**values, "spec": spec, "base": base})


@dataclass(frozen=True, slots=True)
class Product:
    """What a job made: its result, and what the catalog is to know of the model."""

    result: JobResult
    base: str
    """Checkpoint and revision that were used."""
    report: str
    """The training report, as JSON."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the log of the service."""

    level: int
    """As the module logging has it."""
    logger: str
    text: str


Message = Progress | Notice | Product | LogLine | ThanoSQLError
"""What the child tells its parent, a line each; the last one is a product or an error."""


def write_line(message: Message) -> str:
    """A message as one line of JSON."""
    if isinstance(message, ThanoSQLError):
        kind = type(message).__name__
        return json.dumps({"failure": {"kind": kind, "message": message.message, "hint": message.hint}})
    return json.dumps({type(message).__name__.lower(): asdict(message)})


def read_line(line: str) -> Message:
    """What `write_line` wrote.

    Raises:
        ValueError: the line is damaged.
    """
    try:
        ((kind, values),) = json.loads(line).items()
        if kind == "failure":
            error: ThanoSQLError = getattr(errors, values["kind"])(values["message"], hint=values["hint"])
            return error
        if kind == "notice":
            return Notice(values["text"], Severity(values["severity"]))
        if kind == "logline":
            return LogLine(**values)
        if kind == "product":
            return Product(**{**values, "result": JobResult(**values["result"])})
        return Progress(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a message of a job: {line!r}") from error


def check_spec(spec: JobSpec) -> None:
    """Refuses a job whose numbers or names make no sense.

    Raises:
        InvalidOption: which, and why.
    """
    # The name becomes the name of a folder.
    if not _MODEL_NAME.fullmatch(spec.model):
        raise InvalidOption(
            f"{spec.model!r} cannot be the name of a model",
            hint="Begin with a letter or digit, use at most 100 characters, and no slash.",
        )
    sound: Mapping[str, tuple[object, bool, str]] = {
        "epochs": (spec.epochs, 1 <= spec.epochs <= 10_000, "a whole number from 1 on"),
        "batch_size": (spec.batch_size, 1 <= spec.batch_size <= 10_000, "a whole number from 1 on"),
        "learning_rate": (
            spec.learning_rate,
            spec.learning_rate is None or 0 < spec.learning_rate <= 0.1,
            "a number above 0, such as 5e-5",
        ),
        "eval_fraction": (
            spec.eval_fraction,
            spec.eval_fraction is None or 0 <= spec.eval_fraction <= 0.9,
            "a share from 0 to 0.9",
        ),
    }
    for name, (value, is_sound, advice) in sound.items():
        if not is_sound:
            raise InvalidOption(f"{name}={value} makes no sense", hint=f"Give {advice}.")


def explain_end(exit_code: int, last_words: Sequence[str], phase: str) -> JobFailed:
    """Why a child process ended without a word of its own.

    Args:
        exit_code: Of the process; negative: the signal that killed it.
        last_words: The last lines that it wrote to its standard error.
        phase: What it was doing.
    """
    said = [line for line in last_words if line.strip()]
    hint = "\n  ".join(["It last wrote:", *said[-3:]]) if said else ""
    while_doing = f" during '{phase}'" if phase else ""
    if exit_code >= 0:
        return JobFailed(f"the training process ended with exit code {exit_code}{while_doing}", hint=hint)
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    message = f"the training process was killed by {name}{while_doing}"
    if name == "SIGKILL":
        return JobFailed(
            f"{message}: most often because memory ran out",
            hint="Try a smaller batch_size, leave out very long recordings, or free memory. " + hint,
        )
    return JobFailed(message, hint=hint)


def explain_disk(message: str) -> JobFailed:
    """The disk is full, or a limit on file sizes was met."""
    return JobFailed(
        f"the disk is full ({message})", hint="Free space where the state folder lies, and run the statement again."
    )


def is_disk_full(text: str) -> bool:
    """Whether an error of whatever library tells of a full disk: ENOSPC, EDQUOT, EFBIG, or numpy's words for them."""
    return _FULL_DISK.search(text) is not None


_FULL_DISK = re.compile(
    "No space left on device|Disk quota exceeded|File too large"
    # numpy.ndarray.tofile, which the export of weights goes through.
    r"|problem writing element \d+ to file|\d+ requested and \d+ written"
)


def describe_base(base: BaseModel) -> str:
    """Checkpoint and revision, as the catalog keeps them."""
    return f"{base.checkpoint}@{base.revision}" if base.revision else base.checkpoint
