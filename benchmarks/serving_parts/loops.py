"""The bare loops that the service is compared with: files read, an engine's own API, text made, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

Compute = Callable[[Any], Any]
"""Samples of one clip to the tokens of its frames."""


def run_loop(
    folder: Path, files: Sequence[Path], *, engine: str, precision: str, workers: int, threads: int
) -> tuple[float, list[str]]:
    """Transcribes the files, each worker a clip at a time; how many seconds that took, and the texts.

    Args:
        folder: The version's, in the model store.
        files: What is transcribed.
        engine: "onnxruntime" or "openvino".
        precision: "fp32", or for OpenVINO also "bf16".
        workers: Clips computed at once.
        threads: CPU threads of each.
    """
    import soundfile

    from thanosql.modelstore import GRAPH, read_description

    description = read_description(folder)
    unspoken = {description.blank, *description.special}
    open_graph = {"onnxruntime": _open_onnxruntime, "openvino": _open_openvino}[engine]
    compute = open_graph(folder / GRAPH, precision, workers, threads)

    def transcribe(file: Path) -> str:
        samples, _ = soundfile.read(file, dtype="float32")
        row = compute(samples).tolist()
        kept = [row[0], *(token for before, token in pairwise(row) if token != before)]
        letters = (description.vocabulary[token] for token in kept if token not in unspoken)
        return " ".join("".join(letters).replace("|", " ").split())

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(transcribe, files[: 2 * workers]))
        begin = time.perf_counter()
        texts = list(pool.map(transcribe, files))
        return time.perf_counter() - begin, texts


def _open_onnxruntime(graph: Path, precision: str, workers: int, threads: int) -> Compute:  # noqa: ARG001
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def compute(samples: Any) -> Any:
        return session.run(["tokens"], {"waveform": samples[None], "lengths": np.array([len(samples)])})[0][0]

    return compute


def _open_openvino(graph: Path, precision: str, workers: int, threads: int) -> Compute:
    import threading

    import numpy as np
    import openvino

    # Two threads that use OpenVINO's tables of numpy's types first would wait for each other for ever.
    openvino.Tensor(np.zeros(1, np.float32))
    openvino.Type.f32.to_dtype()
    core = openvino.Core()
    model = core.read_model(graph)
    hints = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": workers * threads,
        "NUM_STREAMS": workers,
    }
    compiled = core.compile_model(model, "CPU", hints)
    own = threading.local()

    def compute(samples: Any) -> Any:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        outputs = own.request.infer({"waveform": samples[None], "lengths": np.array([len(samples)])})
        return outputs["tokens"][0].copy()

    return compute


def openvino_precision() -> str | None:
    """The precision that OpenVINO is fastest with here, of those that need no sample; None: it is not installed."""
    try:
        import openvino
    except ImportError:
        return None
    return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"
