"""The exported graph as every engine sees it: rows to inputs, outputs to rows, and the errors of a damaged one.

Its inputs and outputs are described in `thanosql.modelstore`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_service.speech.decode import FrameScores
from thanosql.errors import DataError
from thanosql.modelstore import DESCRIPTION, ModelDescription

INPUTS = ("waveform", "lengths")
LOG_PROBS = "log_probs"
OUTPUTS = ("tokens", "scores", "frames", LOG_PROBS)


def pad(rows: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """The inputs: the rows beside each other with zeros behind them, and how many samples of each are real."""
    lengths = np.array([len(row) for row in rows], np.int64)
    waveform = np.zeros((len(rows), int(lengths.max())), np.float32)
    for target, row in zip(waveform, rows, strict=True):
        target[: len(row)] = row
    return {"waveform": waveform, "lengths": lengths}


def outputs(*, log_probs: bool) -> tuple[str, ...]:
    """What is fetched. The log-probabilities, some thirty times as large, stay where they are unless asked for."""
    return OUTPUTS if log_probs else OUTPUTS[:-1]


def split(values: Mapping[str, NDArray[Any]]) -> list[FrameScores]:
    """The outputs by row, without the padding; copies, so that one long-lived row does not keep the batch."""
    tokens, scores, log_probs = values["tokens"], values["scores"], values.get(LOG_PROBS)
    return [
        FrameScores(
            tokens[row, :count].copy(),
            scores[row, :count].copy(),
            None if log_probs is None else log_probs[row, :count].copy(),
        )
        for row, count in enumerate(values["frames"].tolist())
    ]


def require_contract(description: ModelDescription, *, has_inputs: set[str], has_outputs: set[str]) -> None:
    """Lets a graph pass that has the inputs and outputs of the contract.

    Raises:
        DataError: it has others.
    """
    if has_inputs != set(INPUTS) or not has_outputs.issuperset(OUTPUTS):
        raise DataError(
            f"version {description.version} of model {description.name!r} has another graph than {DESCRIPTION} "
            f"promises: inputs {sorted(has_inputs)}, outputs {sorted(has_outputs)}",
            hint="Was the file replaced by hand? Build the model again.",
        )


def damaged(file: Path, description: ModelDescription, engine: str, error: Exception) -> DataError:
    """The error for a graph that an engine cannot load, with the first line of what it says."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return DataError(
        f"version {description.version} of model {description.name!r} cannot be loaded: {file.name} is "
        "missing or damaged",
        hint=f"Build or delete the model. {engine} says: {said}",
    )
