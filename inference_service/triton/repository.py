"""Writes a model as a repository that NVIDIA's Triton Inference Server loads: EXPORT MODEL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template

from inference_service.open_inference.tensors import INPUTS, TensorKind, list_outputs
from thanosql.errors import DataError, NameTaken
from thanosql.modelstore import DESCRIPTION, GRAPH, ModelDescription
from thanosql.types import ExportedModel, ServingPlan
from thanosql.workspace import resolve

MODULES = {
    "thanosql": ("__init__", "audio", "ctc", "errors", "modelstore", "types", "workspace"),
    "inference_service": ("__init__",),
    "inference_service.engines": ("__init__", "engine", "graph", "onnx_engine"),
    "inference_service.open_inference": ("__init__", "tensors"),
    "inference_service.speech": ("__init__", "audio", "decode"),
    "inference_service.triton": ("__init__", "serving"),
}
"""What runs in Triton: the modules that cut, compute and read a recording here, and no other package of ours."""

DATATYPES = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
"""The protocol's names of datatypes, and those of a configuration."""


def export_model(
    version: Path,
    description: ModelDescription,
    plan: ServingPlan,
    *,
    workspace: Path,
    path: str,
    max_audio_seconds: float,
) -> ExportedModel:
    """Writes a version of a model into the repository `path`, whole or not at all.

    Args:
        version: Its folder in the model store.
        description: What its `model.json` says.
        plan: How it is served here; Triton is told to do likewise.
        workspace: Folder that `path` is relative to.
        path: The repository, made where there is none.
        max_audio_seconds: Longer recordings are refused.

    Raises:
        PathRefused: `path` leaves the workspace.
        NameTaken: the repository holds a model of that name.
        DataError: the files cannot be written.
    """
    repository = resolve(workspace, path)
    target = repository / description.name
    if target.exists():
        raise _taken(path, description)
    try:
        repository.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{description.name}-", dir=repository))
        try:
            _write_model(folder, version, description, plan, max_audio_seconds)
            folder.chmod(0o755)
            folder.rename(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        if target.exists():  # another export was first
            raise _taken(path, description) from error
        raise DataError(
            f"the model cannot be written to {path!r}: {error.strerror or error}",
            hint="Is that a folder, may inference_service write there, and is there room?",
        ) from error
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return ExportedModel(target.relative_to(workspace.resolve()).as_posix(), size)


def _taken(path: str, description: ModelDescription) -> NameTaken:
    return NameTaken(
        f"{path!r} holds a model {description.name!r} already",
        hint="Choose another folder, or remove that one first: an export overwrites nothing.",
    )


def write_config(description: ModelDescription, plan: ServingPlan, *, max_audio_seconds: float) -> str:
    """The `config.pbtxt` of a model.

    Every request has the dimension of a batch, `max_batch_size` 1 or not, so that callers need not care. Lengths may
    differ (`allow_ragged_batch`), else Triton would batch only what happens to be equally long: the model pads.
    """
    parameters = {
        "batch_rows": plan.batch_rows,
        "batch_seconds": plan.batch_seconds,
        "threads": plan.threads,
        "max_audio_seconds": max_audio_seconds,
    }
    lines = [
        f'name: "{description.name}"',
        'backend: "python"',
        f"max_batch_size: {plan.batch_rows}",
        "# Priority 1 goes first, before all others; 2 is for bulk.",
        "dynamic_batching { priority_levels: 2 default_priority_level: 1 }",
        "# A process each, with the weights of its own.",
        f"instance_group [ {{ kind: {'KIND_GPU' if plan.device == 'cuda' else 'KIND_CPU'} count: {plan.workers} }} ]",
        *_list_tensors("input", INPUTS, " optional: true allow_ragged_batch: true"),
        *_list_tensors("output", list_outputs(len(description.vocabulary))),
        "# What a batch of the graph may have: rows, and rows × longest row in seconds; CPU threads of each process.",
        *(f'parameters {{ key: "{key}" value {{ string_value: "{value:g}" }} }}' for key, value in parameters.items()),
    ]
    return "\n".join(lines) + "\n"


def _list_tensors(field: str, tensors: Iterable[TensorKind], more: str = "") -> Iterable[str]:
    for tensor in tensors:
        dims = ", ".join(str(size) for size in tensor.shape)
        yield f'{field} [ {{ name: "{tensor.name}" data_type: {DATATYPES[tensor.datatype]} dims: [ {dims} ]{more} }} ]'


def _write_model(
    folder: Path, version: Path, description: ModelDescription, plan: ServingPlan, max_audio_seconds: float
) -> None:
    files = folder / str(description.version)
    files.mkdir()
    for file in (DESCRIPTION, GRAPH, f"{GRAPH}.data"):
        if (version / file).exists():  # a small graph has its weights in it
            shutil.copyfile(version / file, files / file)
    for package, modules in MODULES.items():
        source, copies = resources.files(package), files / Path(*package.split("."))
        copies.mkdir()
        for module in modules:
            (copies / f"{module}.py").write_bytes((source / f"{module}.py").read_bytes())
    ours = resources.files("inference_service.triton")
    (files / "model.py").write_bytes((ours / "model.py").read_bytes())
    (folder / "requirements.txt").write_bytes((ours / "requirements.txt").read_bytes())
    text = Template((ours / "README.md").read_text("utf-8")).substitute(
        name=description.name,
        version=description.version,
        sample_rate=description.sample_rate,
        vocabulary=len(description.vocabulary),
        device="a GPU" if plan.device == "cuda" else "no GPU",
    )
    (folder / "README.md").write_text(text, "utf-8")
    config = write_config(description, plan, max_audio_seconds=max_audio_seconds)
    (folder / "config.pbtxt").write_text(config, "utf-8")
