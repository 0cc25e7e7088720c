"""Runs one exported graph with ONNX Runtime, on the CPU or a CUDA device."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from inference_service.engines.engine import Samples, Termination
from inference_service.engines.graph import damaged, outputs, pad, require_contract, split
from inference_service.speech.decode import FrameScores
from thanosql.errors import Cancelled
from thanosql.modelstore import ModelDescription

log = logging.getLogger(__name__)


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
        if device == "cuda":
            _load_cuda()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A pattern is kept for each shape of input, and nearly every batch has its own.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=providers(device))
        except Exception as error:  # ONNX Runtime's exceptions have no common type of their own
            raise damaged(file, description, "ONNX Runtime", error) from error
        require_contract(
            description,
            has_inputs={each.name for each in self._session.get_inputs()},
            has_outputs={each.name for each in self._session.get_outputs()},
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
        options = self._runtime.RunOptions()
        if free_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", _arenas(self._device))
        binding = self._session.io_binding()
        for name, values in pad(rows).items():
            binding.bind_ortvalue_input(name, self._runtime.OrtValue.ortvalue_from_numpy(values, self._device, 0))
        fetched = outputs(log_probs=log_probs)
        for name in fetched:
            # Without a shape, which depends on the input.
            binding.bind_output(name, "cpu")
        termination = termination or Termination()
        try:
            with termination.means(lambda: setattr(options, "terminate", True)):
                self._session.run_with_iobinding(binding, options)
        except Exception as error:
            if termination.is_requested:
                raise Cancelled("the batch was stopped: nobody waits for it") from error
            raise
        return split(dict(zip(fetched, binding.copy_outputs_to_cpu(), strict=True)))

    def close(self) -> None:
        """See `Engine`."""
        self._session = None


def providers(device: str) -> list[Any]:
    """ONNX Runtime's execution providers for a device, with their options."""
    cpu = "CPUExecutionProvider"
    if device == "cpu":
        return [cpu]
    cuda = {
        # EXHAUSTIVE, the default, tunes the convolutions again for each new shape.
        "cudnn_conv_algo_search": "HEURISTIC",
        # On by default. It rounds factors to ten bits: a clip would say something else alone than in a batch.
        "use_tf32": "0",
    }
    return [("CUDAExecutionProvider", cuda), cpu]


@cache
def _load_cuda() -> None:
    """Loads CUDA and cuDNN from the packages of pip, where they came with torch: no loader looks there by itself."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()


def _arenas(device: str) -> str:
    return "cpu:0" if device == "cpu" else "cpu:0;gpu:0"
