"""Runs an exported model as Triton would, in a process that has none of our packages: `python triton_process.py`.

Takes from standard input a JSON object: `folder` of the version, `parameters`, `outputs`, and `requests`, each a list
of paths of recordings (its rows; samples where the path ends in .npy) or a number of silent samples. Prints a JSON list
of answers.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np


class Tensor:
    def __init__(self, name: str, values: np.ndarray) -> None:
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._values


class TritonError:
    INTERNAL, INVALID_ARG, CANCELLED = "INTERNAL", "INVALID_ARG", "CANCELLED"

    def __init__(self, message: str, code: str) -> None:
        self.message, self.code = message, code


class InferenceResponse:
    def __init__(self, tensors: list[Tensor] | None = None, error: TritonError | None = None) -> None:
        self.tensors, self.error = tensors, error


class Request:
    def __init__(self, outputs: list[str], *inputs: Tensor) -> None:
        self._outputs, self._inputs = outputs, inputs

    def inputs(self) -> list[Tensor]:
        return list(self._inputs)

    def requested_output_names(self) -> list[str]:
        return self._outputs

    def is_cancelled(self) -> bool:
        return False


class Refuser:
    """Of imports that a server without our packages could not make."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in ("grpc", "google", "pyarrow", "pandas", "IPython", "sqlglot", "torch"):
            raise ImportError(f"an exported model imports {name}")


def main() -> None:
    task = json.load(sys.stdin)
    backend = ModuleType("triton_python_backend_utils")
    backend.Tensor, backend.InferenceResponse, backend.TritonError = Tensor, InferenceResponse, TritonError
    sys.modules[backend.__name__] = backend
    sys.meta_path.insert(0, Refuser())
    spec = importlib.util.spec_from_file_location("1.model", Path(task["folder"]) / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ours = [name for name in sys.modules if name.split(".")[0] in ("thanosql", "inference_service")]
    strangers = [name for name in ours if not Path(sys.modules[name].__file__).is_relative_to(task["folder"])]
    assert not strangers, f"these do not come from the export: {strangers}"
    model = module.TritonPythonModel()
    parameters = {name: {"string_value": str(value)} for name, value in task["parameters"].items()}
    model.initialize({"model_instance_kind": "CPU", "model_config": json.dumps({"parameters": parameters})})
    print(
        json.dumps([show(each) for each in model.execute([read(each, task["outputs"]) for each in task["requests"]])])
    )
    model.finalize()


def read(rows: list[str] | int, outputs: list[str]) -> Request:
    if isinstance(rows, int):
        return Request(outputs, Tensor("waveform", np.zeros((1, rows), np.float32)))
    if rows and rows[0].endswith(".npy"):
        return Request(outputs, Tensor("waveform", np.stack([np.load(row) for row in rows])))
    if not rows:
        return Request(outputs)
    return Request(outputs, Tensor("audio", np.array([[Path(row).read_bytes()] for row in rows], np.object_)))


def show(response: InferenceResponse) -> object:
    """A list of rows, each a JSON object by output; or code and message."""
    if response.error is not None:
        return [response.error.code, response.error.message]
    values = {tensor.name(): [show_value(row) for row in tensor.as_numpy()] for tensor in response.tensors}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def show_value(row: np.ndarray) -> object:
    if row.dtype == np.object_:
        return row.item().decode()
    return row.item() if row.size == 1 else row.tolist()


if __name__ == "__main__":
    main()
