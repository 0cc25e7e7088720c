"""The processes that train one model together, each on a device of its own: started by torchrun, or one alone.

Each computes a part of every step; their gradients are added up, and all take the same step. The sums are made here and
not by torch's DistributedDataParallel, because a process may have no rows of a step, because what a step needs is the
sum over its labels and not a mean of means, and because layers that layerdrop leaves out have no gradient.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""For so long a process waits for the others: one may write a checkpoint, or evaluate, meanwhile."""
BUCKET = 1 << 25
"""Gradients that are added up in one call: so many numbers (128 MiB)."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all: `rank` of `world`."""

    rank: int = 0
    world: int = 1
    world_here: int = 1
    """How many there are on this machine."""
    device: torch.device = torch.device("cpu")
    """Where numbers are exchanged."""

    @property
    def is_first(self) -> bool:
        """Whether this process tells and writes for all."""
        return self.rank == 0

    def add(self, *values: float) -> list[float]:
        """The sum of each value over all processes."""
        if self.world == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def wait(self) -> None:
        """Until every process is here."""
        self.add(0.0)

    def gather(self, value: T) -> list[T]:
        """The value of every process, in order of rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values

    def share(self, value: T | None) -> T:
        """The first process's value."""
        values: list[Any] = [value]
        if self.world > 1:
            torch.distributed.broadcast_object_list(values, src=0)
        shared: T = values[0]
        return shared

    @torch.no_grad()
    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Gives every process the sum of all gradients; a parameter without one counts as zero."""
        if self.world == 1:
            return
        bucket: list[Tensor] = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            bucket.append(parameter.grad)
            if sum(each.numel() for each in bucket) >= BUCKET:
                _add(bucket)
                bucket = []
        if bucket:
            _add(bucket)


ALONE = Ranks()


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Meets the other processes that torchrun started; `ALONE` where there are none.

    Args:
        device: Where this process computes: NCCL connects GPUs, gloo everything else.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(
            torch.distributed.get_rank(),
            torch.distributed.get_world_size(),
            int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            device if device.type == "cuda" else torch.device("cpu"),
        )
    finally:
        torch.distributed.destroy_process_group()


def _add(gradients: list[Tensor]) -> None:
    flat = torch.cat([each.reshape(-1) for each in gradients])
    torch.distributed.all_reduce(flat)
    place = 0
    for each in gradients:
        each.copy_(flat[place : place + each.numel()].view_as(each))
        place += each.numel()
