"""Runs the tritonserver that the wheel nvidia-pytriton carries, with its Python backend, without a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

FIND = """
import json, pathlib, sys, sysconfig, pytriton
print(json.dumps([str(pathlib.Path(pytriton.__file__).parent / "tritonserver"), sysconfig.get_config_var("LIBDIR"),
                  "%d.%d" % sys.version_info[:2]]))
"""

IDENTITY = """
name: "identity"
backend: "python"
max_batch_size: 0
input [{ name: "INPUT", data_type: TYPE_FP32, dims: [-1] }]
output [{ name: "OUTPUT", data_type: TYPE_FP32, dims: [-1] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
"""

RAGGED = """
name: "ragged"
backend: "python"
max_batch_size: ROWS
dynamic_batching { }
input [{ name: "waveform", data_type: TYPE_FP32, dims: [-1], allow_ragged_batch: true }]
output [{ name: "tokens", data_type: TYPE_INT64, dims: [-1] }]
instance_group [{ kind: KIND_CPU, count: 1 }]
parameters [{ key: "graph", value: { string_value: "GRAPH" } }, { key: "log", value: { string_value: "LOG" } }]
"""


@dataclass(frozen=True)
class Triton:
    """How tritonserver is started from a virtual environment."""

    command: Callable[[int], list[str]]
    """Of a port."""
    environment: Mapping[str, str]


def prepare(venv: Path, repository: Path) -> Triton:
    """A tritonserver that serves `repository`; beside that, the folder `backends` is written.

    Raises:
        RuntimeError: the environment has no nvidia-pytriton.
    """
    python = venv / "bin" / "python"
    found = subprocess.run([python, "-c", FIND], capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"{python} has no nvidia-pytriton: {found.stderr[-500:]}")
    folder, libraries, version = json.loads(found.stdout)
    root = Path(folder)
    backends = repository.parent / "backends"
    shutil.rmtree(backends, ignore_errors=True)
    shutil.copytree(root / "backends", backends)
    # The backend looks for the stub of its Python in its own folder.
    shutil.copy2(root / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    site = root.parents[1]
    environment = {
        **os.environ,
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": os.pathsep.join([libraries, str(site / "nvidia_pytriton.libs")]),
        "PYTHONPATH": str(site),
    }

    def command(port: int) -> list[str]:
        options = {
            "model-repository": repository,
            "backend-directory": backends,
            "grpc-port": port,
            "grpc-address": "127.0.0.1",
            "allow-http": "false",
            "allow-metrics": "false",
            "log-info": "false",
        }
        return [str(root / "bin" / "tritonserver"), *(f"--{name}={value}" for name, value in options.items())]

    return Triton(command, environment)


def write_identity(repository: Path) -> None:
    """The model `identity`: INPUT FP32 [-1] is its OUTPUT."""
    _write(repository, "identity", IDENTITY)


def write_ragged(repository: Path, graph: Path, log: Path, *, rows: int) -> None:
    """The model `ragged`: batches of up to so many rows of any lengths, padded by itself."""
    config = RAGGED.replace("ROWS", str(rows)).replace("GRAPH", str(graph)).replace("LOG", str(log))
    _write(repository, "ragged", config)


def _write(repository: Path, name: str, config: str) -> None:
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config, "utf-8")
    shutil.copy2(HERE / f"triton_{name}.py", folder / "model.py")
