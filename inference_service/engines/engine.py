"""What computes batches: the protocol, what can be chosen, and where it can run."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference_service.speech.decode import FrameScores
from thanosql.errors import InvalidOption
from thanosql.modelstore import GRAPH, ModelDescription

Samples = NDArray[np.float32]


class Termination:
    """Stops a batch that nobody waits for any more. Any thread may ask; the engine says how it is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._stop: Callable[[], None] = _nothing

    @property
    def is_requested(self) -> bool:
        """Whether somebody has asked."""
        return self._requested

    def request(self) -> None:
        """Asks for the end; does nothing when the computation has ended."""
        with self._lock:
            self._requested = True
            self._stop()

    @contextmanager
    def means(self, stop: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `request` calls `stop`: at once, if it was asked before."""
        with self._lock:
            self._stop = stop
            if self._requested:
                stop()
        try:
            yield
        finally:
            with self._lock:
                self._stop = _nothing


def _nothing() -> None:
    pass


class Engine(Protocol):
    """Computes batches; several threads may call it at once."""

    def run(
        self,
        rows: Sequence[Samples],
        *,
        log_probs: bool = False,
        free_memory: bool = False,
        termination: Termination | None = None,
    ) -> list[FrameScores]:
        """What the model says of each row.

        Args:
            rows: float32 samples at the model's rate, of any lengths.
            log_probs: They are wanted too, `[frames, vocabulary]` of each row.
            free_memory: Give working memory back afterwards: nothing else waits.
            termination: Stops the computation.

        Raises:
            Cancelled: it was stopped.
        """

    def close(self) -> None:
        """Frees the weights; no batch is running any more."""


ENGINES = ("onnxruntime", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """How one version of a model is computed: what `open_engine` opens."""

    device: str = "cpu"
    """ "cpu" or "cuda"."""
    engine: str = "onnxruntime"
    """ "onnxruntime" or "openvino"."""
    precision: str = "fp32"
    """ "fp32", "bf16" or "int8"."""
    workers: int = 1
    """Threads that call `run` at once."""
    threads: int = 1
    """CPU threads of each run."""
    cache: Path | None = None
    """Where files made from the model are kept if its own folder cannot be written."""

    @property
    def max_rows(self) -> int:
        """The most rows that a batch may have; 0: any number.

        Rows change one another in int8, where dynamic quantisation takes one scale over the whole batch, and in bf16,
        where another shape sums in another order (measured: log-probabilities differ by up to 0.03).
        """
        return 0 if self.precision == "fp32" else 1


def open_engine(folder: Path, description: ModelDescription, choice: EngineChoice) -> Engine:
    """Loads a version of a model, which takes seconds.

    Args:
        folder: The version's folder in the model store.
        description: What its `model.json` says.
        choice: Of an engine and precision that `candidates` gives.

    Raises:
        DataError: the graph is damaged, or is not of the store's contract.
    """
    if choice.engine == "openvino":
        from inference_service.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(
            folder / GRAPH, description, precision=choice.precision, workers=choice.workers, threads=choice.threads
        )
    from inference_service.engines.onnx_engine import OnnxEngine
    from inference_service.engines.quantisation import choose_places, quantised_graph

    file = folder / GRAPH
    if choice.precision == "int8":
        file = quantised_graph(file, description, choose_places(folder, description, choice.cache))
    return OnnxEngine(file, description, device=choice.device, threads=choice.threads)


def candidates(device: str, engine: str = "auto", precision: str = "fp32") -> tuple[tuple[str, str], ...]:
    """What can be opened here of what is asked for: pairs of engine and precision, the preferred one first.

    Args:
        device: "cpu" or "cuda".
        engine: "onnxruntime", "openvino", or "auto" for both.
        precision: "fp32", "bf16", "int8", or "auto" for all of them.

    Raises:
        InvalidOption: there is none; the message says what there is.
    """
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value not in ("auto", *known):
            raise InvalidOption(f"{name} {value!r} is unknown", hint=f"Choose one of auto, {', '.join(known)}.")
    here = _available(device)
    chosen = tuple(pair for pair in here if engine in ("auto", pair[0]) and precision in ("auto", pair[1]))
    if chosen:
        return chosen
    there = ", ".join(f"{name} in {bits}" for name, bits in here)
    raise InvalidOption(
        f"engine {engine!r} with precision {precision!r} cannot be had on this machine's {device}",
        hint=f"What there is: {there}.{_missing(device, engine, precision)}",
    )


def _available(device: str) -> tuple[tuple[str, str], ...]:
    if device != "cpu":
        return (("onnxruntime", "fp32"),)
    from inference_service.engines.openvino_engine import precisions

    return (
        ("onnxruntime", "fp32"),
        *(("openvino", each) for each in precisions()),
        ("onnxruntime", "int8"),
    )


def _missing(device: str, engine: str, precision: str) -> str:
    """What could be done about it."""
    from inference_service.engines.openvino_engine import INSTALL, precisions

    wants_openvino = engine == "openvino" or (engine == "auto" and precision == "bf16")
    if device == "cpu" and wants_openvino and not precisions():
        return f" OpenVINO is not installed: {INSTALL}"
    if device == "cpu" and wants_openvino and precision == "bf16":
        return " This CPU does not compute in bf16."
    return ""


def choose_device(asked: str) -> str:
    """ "cpu" or "cuda".

    Raises:
        InvalidOption: "cuda" where there is none, or another word.
    """
    if asked not in ("auto", "cpu", "cuda"):
        raise InvalidOption(f"device {asked!r} is unknown", hint="Choose auto, cpu or cuda.")
    if asked == "cpu":
        return "cpu"
    if _count_cuda_devices():
        return "cuda"
    if asked == "cuda":
        raise InvalidOption("device 'cuda' is asked for, and the driver shows none", hint="Check nvidia-smi.")
    return "cpu"


def count_cores() -> int:
    """Cores that this process may use: by its affinity, and by the quota of its container."""
    # Not on macOS and Windows.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or no quota ("max")
        return cores


def _count_cuda_devices() -> int:
    """Asked of the driver: ONNX Runtime's CUDA build names the provider on machines without a GPU too."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
