"""Makes the int8 graph of a model, on first need: dynamic quantisation of its matrix products, per channel.

Not of the convolutions: those are slower in int8 than in fp32. Made by a process of its own, because ONNX Runtime's
quantiser takes three times the model's size in memory and holds the interpreter's lock for seconds.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from thanosql.errors import DataError, InvalidOption
from thanosql.modelstore import GRAPH, ModelDescription

log = logging.getLogger(__name__)

FOLDER = "int8"


def quantised_graph(graph: Path, description: ModelDescription, places: Sequence[Path]) -> Path:
    """The int8 graph of `graph`; made where it is not there yet, which takes seconds.

    Any number of processes may ask at once: each makes it under a name of its own, and the first to rename wins.

    Args:
        graph: Of fp32, in the model store.
        description: What the version's `model.json` says.
        places: Folders to find it in, or to keep it in: the first that can be made.

    Raises:
        DataError: the graph is damaged.
        InvalidOption: no such folder can be made.
    """
    for place in places:
        if (place / GRAPH).exists():
            return place / GRAPH
    refused = OSError("no place was given")
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        except OSError as error:  # a store that may only be read
            refused = error
            continue
        try:
            _run_quantiser(graph, made / place.name / GRAPH, description)
            _rename(made / place.name, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return place / GRAPH
    raise InvalidOption(
        f"the int8 graph of version {description.version} of model {description.name!r} can be kept nowhere: {refused}",
        hint="Let inference_service write the model store or its state folder, or choose precision fp32.",
    ) from refused


def choose_places(folder: Path, description: ModelDescription, cache: Path | None) -> tuple[Path, ...]:
    """Where a version's int8 graph is kept: in its own folder, else in a cache folder."""
    if cache is None:
        return (folder / FOLDER,)
    # The cache outlives the version's folder, and another model may come under the same name.
    status = (folder / GRAPH).stat()
    name = f"{description.name}-{description.version}-{status.st_size:x}-{status.st_mtime_ns:x}"
    return (folder / FOLDER, cache / name / FOLDER)


def quantise(source: Path, target: Path) -> None:
    """Writes the int8 graph of `source` to `target`, its weights beside it in `<target>.data`."""
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


def _run_quantiser(source: Path, target: Path, description: ModelDescription) -> None:
    log.info("making the int8 graph of version %d of model %s", description.version, description.name)
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


def _rename(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not (target / GRAPH).exists():
            raise
        # Another process was first; its graph is the same.


if __name__ == "__main__":
    quantise(*map(Path, sys.argv[1:]))
