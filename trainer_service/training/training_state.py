"""What a training keeps on the disk, so that it goes on where it was: checkpoints, weights of epochs, its end.

    <state>/training.json         which training it is of
    <state>/checkpoint-<step>.pt  weights, optimiser, counters after so many steps; the last two
    <state>/epoch-<epoch>.pt      the weights after the epochs that were best on the held-out rows
    <state>/finished.pt           the weights that the training ended with, and what it came to

Each file is written whole or not at all. Nothing in them is a pickle of objects: they are read as tensors and numbers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Weights = dict[str, Tensor]

KEPT = 2
"""Checkpoints: the newest, and the one before it in case that one cannot be read."""


class TrainingState:
    """The state folder of one training.

    Args:
        folder: Made where there is none.
        training: Everything that the training follows from, as JSON: what is there of another training is removed.
        is_writer: Whether this process is the one that writes.
    """

    def __init__(self, folder: Path, training: Mapping[str, Any], *, is_writer: bool = True) -> None:
        self._folder, self._is_writer = folder, is_writer
        name = folder / "training.json"
        text = json.dumps(training, sort_keys=True, ensure_ascii=False)
        self.is_of_another = name.exists() and name.read_text("utf-8") != text
        """Whether there was the state of another training, which is not taken up."""
        if is_writer:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob("*.new"):  # half written when a process was killed
                left.unlink()
            if self.is_of_another or not name.exists():
                for file in self._checkpoints() + list(folder.glob("epoch-*.pt")) + list(folder.glob("finished.pt")):
                    file.unlink()
                _replace(name, lambda new: new.write_text(text, "utf-8"))

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, on the CPU; None: the training begins anew."""
        for file in reversed(self._checkpoints()):
            values = _read(file)
            if values is not None:
                return values
        return None

    def save(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes the checkpoint after `step` steps, and removes those that are not needed any more."""
        if not self._is_writer:
            return
        _write(self._folder / f"checkpoint-{step:09d}.pt", values)
        for file in self._checkpoints()[:-KEPT]:
            file.unlink()

    def save_weights(self, epoch: int, weights: Weights, kept: Iterable[int]) -> None:
        """Writes the weights after an epoch, and removes those of all epochs but the `kept` ones."""
        if not self._is_writer:
            return
        _write(self._folder / f"epoch-{epoch:06d}.pt", weights)
        wanted = {f"epoch-{each:06d}.pt" for each in kept}
        for file in self._folder.glob("epoch-*.pt"):
            if file.name not in wanted:
                file.unlink()

    def has_weights(self, epoch: int) -> bool:
        """Whether the weights after an epoch were kept."""
        return (self._folder / f"epoch-{epoch:06d}.pt").exists()

    def load_weights(self, epoch: int) -> Weights:
        """The weights after an epoch that was kept, on the CPU."""
        weights: Weights = torch.load(self._folder / f"epoch-{epoch:06d}.pt", map_location="cpu", weights_only=True)
        return weights

    def finish(self, values: Mapping[str, Any]) -> None:
        """Writes the end of the training; its checkpoints are not needed any more."""
        if not self._is_writer:
            return
        _write(self._folder / "finished.pt", values)
        for file in self._checkpoints() + list(self._folder.glob("epoch-*.pt")):
            file.unlink()

    def load_finished(self) -> dict[str, Any] | None:
        """The end of the training; None where it has not ended."""
        return _read(self._folder / "finished.pt")

    def _checkpoints(self) -> list[Path]:
        return sorted(file for file in self._folder.glob("checkpoint-*.pt") if re.search(r"-\d+\.pt$", file.name))


def _read(file: Path) -> dict[str, Any] | None:
    """What was written; None where nothing is there, or what is there is damaged."""
    try:
        values: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError):
        return None
    return values


def _write(file: Path, values: Mapping[str, Any]) -> None:
    _replace(file, lambda new: torch.save(dict(values), new))


def _replace(file: Path, write: Any) -> None:
    """Has `write` write the new file, and puts it in place of the old one, for good."""
    new = file.with_suffix(".new")
    try:
        write(new)
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
