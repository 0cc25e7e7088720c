"""Runs one exported graph with ONNX Runtime, on the CPU or a CUDA device."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inference_service.decode import FrameScores
from thanosql.errors import DataError, InvalidOption
from thanosql.modelstore import DESCRIPTION, GRAPH, ModelDescription

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

INPUTS = ("waveform", "lengths")
OUTPUTS = ("tokens", "scores", "frames")
"""What is fetched. The log-probabilities, some thirty times as large, stay where they are."""


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


class OnnxEngine:
    """One session, whose weights all threads share.

    Args:
        folder: The version's folder in the model store.
        description: What its `model.json` says.
        device: "cpu" or "cuda".
        threads: CPU threads of each run.

    Raises:
        DataError: the graph is damaged, or is not of the store's contract.
    """

    def __init__(self, folder: Path, description: ModelDescription, *, device: str, threads: int) -> None:
        import onnxruntime

        file = folder / GRAPH
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A pattern is kept for each shape of input, and nearly every batch has its own.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=_providers(device))
        except Exception as error:  # ONNX Runtime's exceptions have no common type of their own
            raise DataError(
                f"version {description.version} of model {description.name!r} cannot be loaded: {GRAPH} is "
                "missing or damaged",
                hint=f"Build or delete the model. ONNX Runtime says: {_first_line(error)}",
            ) from error
        inputs = {each.name for each in self._session.get_inputs()}
        outputs = {each.name for each in self._session.get_outputs()}
        if inputs != set(INPUTS) or not outputs.issuperset(OUTPUTS):
            raise DataError(
                f"version {description.version} of model {description.name!r} has another graph than {DESCRIPTION} "
                f"promises: inputs {sorted(inputs)}, outputs {sorted(outputs)}",
                hint="Was the file replaced by hand? Build the model again.",
            )
        self._free_memory = onnxruntime.RunOptions()
        self._free_memory.add_run_config_entry("memory.enable_memory_arena_shrinkage", _arena(device))
        if device == "cuda" and "CUDAExecutionProvider" not in self._session.get_providers():
            log.warning("CUDA cannot be used (see above): model %s runs on the CPU", description.name)

    def run(
        self,
        rows: Sequence[Samples],
        *,
        log_probs: bool = False,  # noqa: ARG002
        free_memory: bool = False,
        termination: Termination | None = None,  # noqa: ARG002
    ) -> list[FrameScores]:
        """See `Engine`."""
        lengths = np.array([len(row) for row in rows], np.int64)
        waveform = np.zeros((len(rows), int(lengths.max())), np.float32)
        for target, row in zip(waveform, rows, strict=True):
            target[: len(row)] = row
        tokens, scores, frames = self._session.run(
            OUTPUTS, {"waveform": waveform, "lengths": lengths}, self._free_memory if free_memory else None
        )
        # Copies, so that one long-lived row does not keep the whole batch.
        return [
            FrameScores(tokens[row, :count].copy(), scores[row, :count].copy())
            for row, count in enumerate(frames.tolist())
        ]

    def close(self) -> None:
        """See `Engine`."""
        self._session = None


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


def _providers(device: str) -> list[Any]:
    cpu = "CPUExecutionProvider"
    if device == "cpu":
        return [cpu]
    # EXHAUSTIVE, the default, tunes the convolutions again for each new shape.
    return [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}), cpu]


def _arena(device: str) -> str:
    return "cpu:0" if device == "cpu" else "cpu:0;gpu:0"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
