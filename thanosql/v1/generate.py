"""Regenerates the stubs of this package from protos/: `python -m thanosql.v1.generate [FOLDER]`."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).parents[2]


def generate(output: Path) -> None:
    """Writes the stubs (`*_pb2.py`, `*_pb2_grpc.py` and their `.pyi`) below `output`.

    Raises:
        subprocess.CalledProcessError: protoc refused a file; it has said why on stderr.
    """
    protos = ROOT / "protos"
    files = sorted(str(file.relative_to(protos)) for file in protos.glob("thanosql/*/*.proto"))
    outputs = [f"--{plugin}_out={output}" for plugin in ("python", "grpc_python", "mypy", "mypy_grpc")]
    include = str(resources.files("grpc_tools") / "_proto")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{include}", *outputs, *files]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
