"""The model store: a folder `<name>/<version>/` for each version, written whole or not at all.

A version holds the Hugging Face checkpoint (`config.json`, `model.safetensors`, tokenizer files),
`model.onnx`, `model.json` and, where it was trained, a held-out sample (`thanosql.held_out`) and, where that sample is
heard as well by it, `int8/model.onnx`. The trainer writes it; inference reads it, and keeps beside it what it derives
from it (an int8 graph where there is none, what it measured); the catalog deletes it.

The graph `model.onnx` takes

* `waveform` float32 `[batch, samples]`: samples at `sample_rate`, not normalised, padded on the right with anything;
* `lengths` int64 `[batch]`: how many samples of each row are real;

and gives

* `log_probs` float32 `[batch, frames, vocabulary]`;
* `frames` int64 `[batch]`: how many frames of each row are real;
* `tokens` int64 `[batch, frames]`: the most probable token of each frame;
* `scores` float32 `[batch, frames]`: the log-probability of that token.

Normalisation, masking and lengths are inside, so the rows of a batch do not influence each other.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from thanosql.errors import DataError, JobFailed, NotFound

GRAPH = "model.onnx"
DESCRIPTION = "model.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What `model.json` says of a version."""

    name: str
    version: int
    class_name: str
    """What stood after USING."""
    base: str
    """The checkpoint it was made from, with its revision."""
    vocabulary: tuple[str, ...]
    """Token of each output, by index, as the tokenizer spells it (`"|"` is the word delimiter)."""
    blank: int
    """Index of the CTC blank (the tokenizer's padding token)."""
    word_delimiter: int
    """Index of the token that stands between words."""
    special: tuple[int, ...] = ()
    """Indices that never become text (`<s>`, `</s>`, `<unk>`), the blank and the delimiter not among them."""
    sample_rate: int = 16_000
    frame_samples: int = 320
    """Samples from one frame to the next."""
    receptive_samples: int = 400
    """Samples that one frame sees: `frames = (samples - receptive) // frame_samples + 1`."""
    parity: Mapping[str, Any] = field(default_factory=dict)
    """Largest differences of log-probabilities: `onnx` (torch against ONNX), `batch` (batched against single); under
    `lengths` the same of each clip that was compared."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """The training report; empty for an exported base model."""
    format: int = FORMAT

    @property
    def minimum_samples(self) -> int:
        """Samples under which there is no frame at all."""
        return self.receptive_samples


def version_folder(store: Path, name: str, version: int) -> Path:
    """Where the files of a version stand."""
    return store / name / str(version)


def require_writable(store: Path, name: str) -> None:
    """Finds out whether a version of a model could be written; to be asked before hours are spent on making it.

    Raises:
        JobFailed: it could not; says which folder is in the way, and what to do.
    """
    folder = store / name
    # Nothing is made yet: a job that fails later leaves no empty folder.
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.NamedTemporaryFile(prefix=".writable-", dir=there):
            pass
    except OSError as error:
        raise JobFailed(
            f"model {name!r} cannot be stored in {folder}: "
            + (f"{there} cannot be written: {error.strerror}" if there.is_dir() else f"{there} is not a folder"),
            hint="Nothing was computed yet. Let trainer_service write its model store, or set another state folder.",
        ) from error


def read_description(folder: Path) -> ModelDescription:
    """Reads `model.json`.

    Raises:
        NotFound: the folder holds no model.
        DataError: the file is damaged or of a newer format.
    """
    file = folder / DESCRIPTION
    try:
        values = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"no model in {folder}", hint="Was it deleted from the model store by hand?") from error
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}") from error
    if values.get("format") != FORMAT:
        raise DataError(
            f"{file} has format {values.get('format')}, this program reads {FORMAT}",
            hint="Use the release that wrote it, or build the model again.",
        )
    for name in ("vocabulary", "special"):
        values[name] = tuple(values[name])
    return ModelDescription(**values)


def write_description(folder: Path, description: ModelDescription) -> None:
    """Writes `model.json`."""
    text = json.dumps(asdict(description), ensure_ascii=False, indent=1)
    (folder / DESCRIPTION).write_text(text + "\n", "utf-8")


@contextmanager
def new_version(store: Path, name: str, version: int) -> Iterator[Path]:
    """A temporary folder that becomes the version's folder, by rename, when the block ends well.

    When the block raises, nothing of it stays. A version folder that is there already, left by a
    crash before it was registered, is replaced.
    """
    target = version_folder(store, name, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        # What stands there is moved away first: it is gone for an instant, and not for as long as deleting takes.
        old = Path(tempfile.mkdtemp(prefix=f".{version}-old-", dir=target.parent))
        if target.exists():
            target.rename(old / "files")
        folder.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def delete_version(store: Path, name: str, version: int) -> None:
    """Deletes a version that was not registered, and what a process that was killed while it wrote it has left."""
    folder = version_folder(store, name, version)
    for left in (*folder.parent.glob(f".{version}-*"), folder):
        shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):  # other versions live there, or none ever did
        folder.parent.rmdir()


def delete_model(store: Path, name: str) -> None:
    """Deletes every version of a model; does nothing where there is none."""
    folder = store / name
    if folder.exists():
        shutil.rmtree(folder)
