"""Makes the int8 graph of a model: dynamic quantisation of its matrix products, per channel.

Not of the convolutions: those are slower in int8 than in fp32. Made by a process of its own, because ONNX Runtime's
quantiser takes three times the model's size in memory and holds the interpreter's lock for seconds.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from thanosql.errors import DataError
from thanosql.modelstore import ModelDescription

FOLDER = "int8"
"""Of a version, in which its int8 graph stands under the name of the fp32 one."""


def quantise_apart(source: Path, target: Path, description: ModelDescription) -> None:
    """Writes the int8 graph of `source` to `target`, in a process that ends with this one; takes seconds.

    Args:
        source: The graph of fp32.
        target: In a folder that is made; its weights go beside it, into `<target>.data`.
        description: What the version's `model.json` says, for messages.

    Raises:
        DataError: the graph is damaged.
    """
    child = subprocess.run(
        # It ends with this process, however this one ends.
        [sys.executable, "-m", "thanosql.child", str(os.getpid()), __name__, str(source), str(target)],
        # The quantiser's temporary copy of the model goes where the result goes.
        env={**os.environ, "TMPDIR": str(target.parents[1])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1][:300]
        raise DataError(
            f"version {description.version} of model {description.name!r} cannot be quantised to int8",
            hint=f"Is its {source.name} damaged? Precision fp32 needs no quantising. The quantiser says: {last}",
        )


def quantise(source: Path, target: Path) -> None:
    """Does so in this process."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target.parent.mkdir(mode=0o755)
    logging.disable(logging.WARNING)  # advice on optimising first, which takes the names that external data needs
    quantize_dynamic(
        # Not by its path: the quantiser would write beside it.
        onnx.load(str(source)),
        str(target),
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=True,
    )
    for file in target.parent.iterdir():
        # Other services, perhaps under other users, read it.
        file.chmod(0o644)


if __name__ == "__main__":
    quantise(*map(Path, sys.argv[1:]))
