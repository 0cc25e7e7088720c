"""What this machine has: cores, memory, devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from thanosql.errors import JobFailed


def available_cores() -> int:
    """Cores that this process may run on; in a container, within its limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no cgroup v2, or no quota ("max")
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def choose_device(wanted: str) -> torch.device:
    """The device of a name; "auto": the GPU where there is one. Of processes that train together, each has its own.

    Raises:
        JobFailed: there is no such device.
    """
    place = int(os.environ.get("LOCAL_RANK", "0"))  # torchrun's
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda":
        if place >= torch.cuda.device_count():
            raise JobFailed(
                f"a GPU number {place + 1} was asked for, and this machine has {torch.cuda.device_count()}",
                hint="Give devices=… accordingly, or set the trainer's device to cpu.",
            )
        torch.cuda.set_device(place)
        return torch.device("cuda", place)
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise JobFailed(f"the device {wanted!r} cannot be used: {error}", hint="Give auto, cpu or cuda.") from error
    return device


def choose_precision(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


def available_memory(device: torch.device) -> int:
    """Bytes that can still be had on a device; in a container, within its limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [_all_memory() // 2]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = [next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))]
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text("ascii"))
        found.append(limit - int((group / "memory.current").read_text("ascii")))
    return max(0, min(found))


def peak_memory() -> int | None:
    """The most main memory in bytes that this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size << 10


def memory_in_use(device: torch.device) -> int:
    """The most memory in bytes that was in use, of the GPU where there is one; 0 where it is not known."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else peak_memory() or 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of whatever library says that memory ran out, on the GPU or in the machine."""
    text = str(error)
    # The last is what cuBLAS and cuDNN say (CUBLAS_STATUS_ALLOC_FAILED).
    told = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(each in text for each in told)


def compute_repeatably(device: torch.device) -> None:
    """Has this process's sums on a GPU made in the same order whenever they are made.

    Else gradients differ in their last bit from one time to the next, and the same seed makes another model. On a CPU
    they do not.
    """
    if device.type != "cuda":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    # Not merely to warn: then torch's attention stays as it is.
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on its class


@contextmanager
def in_any_order() -> Iterator[None]:
    """Lets operations be computed meanwhile that have no order of their own."""
    was_strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was_strict)


def is_about_order(error: BaseException) -> bool:
    """Whether an error says that an operation cannot be computed repeatably (see `compute_repeatably`)."""
    return "deterministic" in str(error)


def _all_memory() -> int:
    """Main memory in bytes; 8 GiB where the system does not say."""
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 8 << 30
