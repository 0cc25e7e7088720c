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

from inference_service.decode import FrameScores
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

        Dynamic quantisation takes one scale over the whole batch, so in int8 rows would change one another.
        """
        return 1 if self.precision == "int8" else 0


def open_engine(folder: Path, description: ModelDescription, choice: EngineChoice) -> Engine:
    """Loads a version of a model, which takes seconds.

    Args:
        folder: The version's folder in the model store.
        description: What its `model.json` says.
        choice: One that `candidates` gives.

    Raises:
        DataError: the graph is damaged, or is not of the store's contract.
    """
    from inference_service.onnx_engine import OnnxEngine

    return OnnxEngine(folder / GRAPH, description, device=choice.device, threads=choice.threads)


def candidates(device: str, engine: str = "auto", precision: str = "fp32") -> tuple[tuple[str, str], ...]:
    """What can be opened here of what is asked for: pairs of engine and precision, the preferred one first.

    Args:
        device: "cpu" or "cuda".
        engine: "onnxruntime", "openvino", or "auto" for all of them.
        precision: "fp32", "bf16", "int8", or "auto" for all of them.

    Raises:
        InvalidOption: there is none; the message says what there is.
    """
    here = (("onnxruntime", "fp32"),)
    chosen = tuple(pair for pair in here if engine in ("auto", pair[0]) and precision in ("auto", pair[1]))
    if not chosen:
        there = ", ".join(f"{name} with {bits}" for name, bits in here)
        raise InvalidOption(f"{engine} with {precision} cannot be had on {device}", hint=f"Here is: {there}.")
    return chosen


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
