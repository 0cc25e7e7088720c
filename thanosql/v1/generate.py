"""Regenerates the stubs of thanosql.v1 and thanosql.oip from protos/: `python -m thanosql.v1.generate [FOLDER]`."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SHARED_POOL, _OWN_POOL = "_descriptor_pool.Default()", "_descriptor_pool.DescriptorPool()"


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
    for stub in (output / "thanosql" / "oip").glob("*_pb2.py"):
        _give_own_pool(stub)


def _give_own_pool(stub: Path) -> None:
    """Takes the messages of `stub` out of the process's pool of descriptors.

    The Open Inference Protocol prescribes their names (`inference.ModelInferRequest`), and the pool refuses a second
    definition of a name: without this, whoever imports both these stubs and tritonclient gets a TypeError from the one
    that comes second. In local mode the services run in the user's own notebook, where tritonclient may be at home.
    """
    text = stub.read_text("utf-8")
    if text.count(_SHARED_POOL) != 1:
        raise AssertionError(f"{stub.name} does not name its pool of descriptors once, as protoc's output used to")
    stub.write_text(text.replace(_SHARED_POOL, _OWN_POOL), "utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
