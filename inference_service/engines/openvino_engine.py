"""Runs one exported graph with OpenVINO on the CPU: an optional engine, faster where the CPU has bf16."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from inference_service.engines.engine import Samples, Termination
from inference_service.engines.graph import damaged, outputs, pad, require_contract, split
from inference_service.speech.decode import FrameScores
from thanosql.errors import Cancelled
from thanosql.modelstore import ModelDescription

INSTALL = "pip install 'thanosql-speech[openvino]'"

_TYPES = {"fp32": "f32", "bf16": "bf16"}

_first_use = threading.Lock()
_loaded: list[Any] = []
"""OpenVINO's core, once it is there."""


class OpenVinoEngine:
    """One compiled model, whose weights all threads share; each calling thread has a request of its own.

    Args:
        file: The graph.
        description: What the version's `model.json` says.
        precision: "fp32", or "bf16" where `precisions` has it.
        workers: Threads that call `run` at once.
        threads: CPU threads of each run.

    Raises:
        DataError: the graph is damaged, or is not of the store's contract.
    """

    def __init__(
        self, file: Path, description: ModelDescription, *, precision: str, workers: int, threads: int
    ) -> None:
        settings = {
            # Left to itself OpenVINO computes in bf16 wherever the CPU can.
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
            "NUM_STREAMS": workers,
            "INFERENCE_NUM_THREADS": workers * threads,
            # Kernels are kept for each shape of input, and nearly every batch has its own: 165 clips took 4 GB with
            # the default of 5,000 shapes, 0.8 GB with none; new shapes took as long, known ones some 5 % longer.
            "CPU_RUNTIME_CACHE_CAPACITY": 0,
            # Processes that pin their threads pin them to the same cores; measured, it gains nothing.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model: Any = _load_core().compile_model(str(file), "CPU", settings)
        except RuntimeError as error:
            raise damaged(file, description, "OpenVINO", error) from error
        require_contract(
            description,
            has_inputs={name for each in self._model.inputs for name in each.names},
            has_outputs={name for each in self._model.outputs for name in each.names},
        )
        self._own = threading.local()
        self._lock = threading.Lock()
        self._running = 0

    def run(
        self,
        rows: Sequence[Samples],
        *,
        log_probs: bool = False,
        free_memory: bool = False,
        termination: Termination | None = None,
    ) -> list[FrameScores]:
        """See `Engine`."""
        with self._lock:
            self._running += 1
        try:
            return self._infer(pad(rows), outputs(log_probs=log_probs), termination or Termination())
        finally:
            with self._lock:
                self._running -= 1
                # OpenVINO refuses while anything is running; whoever ends last is alone.
                if free_memory and not self._running:
                    self._model.release_memory()

    def _infer(self, inputs: dict[str, Any], fetched: Sequence[str], termination: Termination) -> list[FrameScores]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._model.create_infer_request()
        # Before its begin there is nothing to cancel.
        request.start_async(inputs, share_inputs=True)
        try:
            with termination.means(request.cancel):
                request.wait()
        except RuntimeError as error:
            if termination.is_requested:
                raise Cancelled("the batch was stopped: nobody waits for it") from error
            raise
        return split({name: request.get_tensor(name).data for name in fetched})

    def close(self) -> None:
        """See `Engine`."""
        self._own = threading.local()
        self._model = None


@cache
def precisions() -> tuple[str, ...]:
    """What OpenVINO computes in on this CPU, the fastest first; nothing where it is not installed."""
    if importlib.util.find_spec("openvino") is None:
        return ()
    return ("bf16", "fp32") if "BF16" in _load_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ("fp32",)


def _load_core() -> Any:
    """OpenVINO itself, loaded once for the life of the process, in a thread that ends then.

    The plugin for CPUs gives the thread that loads it another stack for signals, and takes the memory back when it is
    unloaded, from whichever thread: on the main thread the next Ctrl-C would end the process (2026.4).
    """
    with _first_use:
        if not _loaded:
            with ThreadPoolExecutor(1) as thread:
                _loaded.append(thread.submit(_open_core).result())
        return _loaded[0]


def _open_core() -> Any:
    import openvino

    # OpenVINO fills its tables of numpy's types when they are first used. Two threads that do so at once wait for each
    # other for ever, and hold the interpreter meanwhile (2026.4: 15 of 15 tries).
    openvino.Tensor(np.zeros(1, np.float32))
    openvino.Type.f32.to_dtype()
    core = openvino.Core()
    core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return core
