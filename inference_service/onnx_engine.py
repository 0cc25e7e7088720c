"""Runs one exported graph with ONNX Runtime, on the CPU or a CUDA device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference_service.decode import FrameScores
from inference_service.engine import Samples, Termination
from thanosql.errors import Cancelled, DataError
from thanosql.modelstore import DESCRIPTION, ModelDescription

log = logging.getLogger(__name__)

INPUTS = ("waveform", "lengths")
OUTPUTS = ("tokens", "scores", "frames")
"""What is fetched always; the log-probabilities, some thirty times as large, only where they are asked for."""
LOG_PROBS = "log_probs"


class OnnxEngine:
    """One session, whose weights all threads share.

    Args:
        file: The graph.
        description: What the version's `model.json` says.
        device: "cpu" or "cuda".
        threads: CPU threads of each run.

    Raises:
        DataError: the graph is damaged, or is not of the store's contract.
    """

    def __init__(self, file: Path, description: ModelDescription, *, device: str, threads: int) -> None:
        import onnxruntime

        self._runtime: Any = onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A pattern is kept for each shape of input, and nearly every batch has its own.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=providers(device))
        except Exception as error:  # ONNX Runtime's exceptions have no common type of their own
            raise damaged_graph(file, description, f"ONNX Runtime says: {first_line(error)}") from error
        check_contract(
            description,
            inputs={each.name for each in self._session.get_inputs()},
            outputs={each.name for each in self._session.get_outputs()},
        )
        self._device = device
        if device == "cuda" and "CUDAExecutionProvider" not in self._session.get_providers():
            log.warning("CUDA cannot be used (see above): model %s runs on the CPU", description.name)
            self._device = "cpu"

    def run(
        self,
        rows: Sequence[Samples],
        *,
        log_probs: bool = False,
        free_memory: bool = False,
        termination: Termination | None = None,
    ) -> list[FrameScores]:
        """See `Engine`."""
        fetched = (*OUTPUTS, LOG_PROBS) if log_probs else OUTPUTS
        options = self._runtime.RunOptions()
        if free_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", _arenas(self._device))
        binding = self._session.io_binding()
        for name, values in zip(INPUTS, pad(rows), strict=True):
            binding.bind_ortvalue_input(name, self._runtime.OrtValue.ortvalue_from_numpy(values, self._device, 0))
        for name in fetched:
            # Without a shape: it depends on the input.
            binding.bind_output(name, "cpu")

        def stop() -> None:
            options.terminate = True

        call_stoppably(lambda: self._session.run_with_iobinding(binding, options), stop, termination)
        return split(dict(zip(fetched, binding.copy_outputs_to_cpu(), strict=True)))

    def close(self) -> None:
        """See `Engine`."""
        self._session = None


def pad(rows: Sequence[Samples]) -> tuple[Any, Any]:
    """The graph's inputs: the rows beside each other with zeros behind them, `[rows, longest]`, and their lengths."""
    lengths = np.array([len(row) for row in rows], np.int64)
    waveform = np.zeros((len(rows), int(lengths.max())), np.float32)
    for target, row in zip(waveform, rows, strict=True):
        target[: len(row)] = row
    return waveform, lengths


def split(outputs: dict[str, Any]) -> list[FrameScores]:
    """The graph's outputs by row, without the padding; copies, so that one long-lived row does not keep the batch."""
    tokens, scores, log_probs = outputs["tokens"], outputs["scores"], outputs.get(LOG_PROBS)
    return [
        FrameScores(
            tokens[row, :count].copy(),
            scores[row, :count].copy(),
            None if log_probs is None else log_probs[row, :count].copy(),
        )
        for row, count in enumerate(outputs["frames"].tolist())
    ]


def call_stoppably(compute: Callable[[], object], stop: Callable[[], None], termination: Termination | None) -> None:
    """Calls `compute`, which `stop`, called by another thread, makes fail.

    Raises:
        Cancelled: it was stopped.
    """
    if termination is None:
        compute()
        return
    try:
        with termination.means(stop):
            compute()
    except Exception as error:
        if termination.is_requested:
            raise Cancelled("the batch was stopped: nobody waits for it") from error
        raise


def damaged_graph(file: Path, description: ModelDescription, reason: str) -> DataError:
    """The error for a graph that an engine cannot read."""
    return DataError(
        f"version {description.version} of model {description.name!r} cannot be loaded: {file.name} is "
        "missing or damaged",
        hint=f"Build or delete the model. {reason}",
    )


def check_contract(description: ModelDescription, *, inputs: set[str], outputs: set[str]) -> None:
    """Raises `DataError` where a graph has other inputs or outputs than `thanosql.modelstore` says."""
    if inputs == set(INPUTS) and outputs.issuperset((*OUTPUTS, LOG_PROBS)):
        return
    raise DataError(
        f"version {description.version} of model {description.name!r} has another graph than {DESCRIPTION} "
        f"promises: inputs {sorted(inputs)}, outputs {sorted(outputs)}",
        hint="Was the file replaced by hand? Build the model again.",
    )


def first_line(error: Exception) -> str:
    """The first line of what an engine says of its failure."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def providers(device: str) -> list[Any]:
    """ONNX Runtime's execution providers for a device, with their options."""
    cpu = "CPUExecutionProvider"
    if device == "cpu":
        return [cpu]
    # EXHAUSTIVE, the default, tunes the convolutions again for each new shape.
    return [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}), cpu]


def _arenas(device: str) -> str:
    return "cpu:0" if device == "cpu" else "cpu:0;gpu:0"
