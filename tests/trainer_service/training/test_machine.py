"""What is asked of a machine: whether memory ran out, who may take how much of it, and whether sums have an order."""

from __future__ import annotations

import pytest
import torch

from trainer_service.training.features import KEPT_BYTES, share_memory
from trainer_service.training.machine import compute_repeatably, in_any_order, is_about_order, is_out_of_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_an_error_for_want_of_memory_is_known_whichever_library_says_it(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not is_about_order(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_processes_on_one_machine_share_its_memory_and_each_has_a_gpu_of_its_own() -> None:
    assert share_memory(CPU, 8 << 30, 4) == (2 << 30, KEPT_BYTES)
    assert share_memory(GPU, 8 << 30, 4) == (7 << 30, 1 << 30) == share_memory(GPU, 8 << 30, 1)


def test_a_training_on_a_cpu_needs_no_order_to_be_asked_for() -> None:
    compute_repeatably(CPU)
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_has_no_order_is_computed_in_any_and_the_order_holds_again_afterwards() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        with in_any_order():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
