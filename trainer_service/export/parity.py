"""The parity gate: an exported graph says what the network says, and of a clip in a batch what it says of it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thanosql.audio import SAMPLE_RATE
from thanosql.errors import JobFailed
from trainer_service.export.graph import SpeechGraph, Waveform

ONNX_TOLERANCE = 1e-3
"""Largest difference of a log-probability between torch and ONNX Runtime (measured: about 1e-5)."""

BATCH_TOLERANCE = 1e-4
"""Largest difference of a log-probability between a clip alone and the same clip in a batch (measured: about 1e-5)."""


@dataclass(frozen=True, slots=True)
class LengthParity:
    """Largest differences of log-probabilities over one clip."""

    seconds: float
    """Its length."""
    onnx: float
    batch: float


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of log-probabilities over the probe clips."""

    onnx: float
    """Torch against ONNX Runtime, over one batch."""
    batch: float
    """ONNX Runtime alone against ONNX Runtime in a padded batch."""
    lengths: tuple[LengthParity, ...] = ()
    """The same of each clip, the shortest first."""

    def to_json(self) -> dict[str, Any]:
        """The figures, to two digits."""
        figures = [
            {"seconds": round(each.seconds, 2), "onnx": _round(each.onnx), "batch": _round(each.batch)}
            for each in self.lengths
        ]
        return {"onnx": _round(self.onnx), "batch": _round(self.batch), "lengths": figures}


def measure_parity(graph: SpeechGraph, file: Path, clips: Sequence[Waveform], sample_rate: int = SAMPLE_RATE) -> Parity:
    """Runs the clips through torch and ONNX Runtime, together and one by one."""
    session = open_session(file)
    lengths = np.array([len(clip) for clip in clips], np.int64)
    # The padding holds noise: nothing of it may come through.
    together = np.random.default_rng(0).standard_normal((len(clips), int(lengths.max())), np.float32)
    for row, clip in zip(together, clips, strict=True):
        row[: len(clip)] = clip
    with torch.no_grad():
        expected = graph(torch.from_numpy(together), torch.from_numpy(lengths))
    batched, frames = session.run(["log_probs", "frames"], {"waveform": together, "lengths": lengths})
    if not np.array_equal(frames, expected.frames.numpy()):
        raise JobFailed(
            f"export: the ONNX graph counts {frames.tolist()} frames where torch counts {expected.frames.tolist()}"
        )
    measured = []
    for row, clip in enumerate(clips):
        real = slice(int(frames[row]))
        (alone,) = session.run(["log_probs"], {"waveform": clip[None], "lengths": lengths[row : row + 1]})
        onnx = np.abs(batched[row, real] - expected.log_probs[row, real].numpy()).max(initial=0.0)
        batch = np.abs(batched[row, real] - alone[0]).max(initial=0.0)
        measured.append(LengthParity(len(clip) / sample_rate, float(onnx), float(batch)))
    # numpy's maximum, unlike Python's, keeps a NaN.
    onnx, batch = (
        float(np.max(figures)) for figures in zip(*((each.onnx, each.batch) for each in measured), strict=True)
    )
    return Parity(onnx, batch, tuple(sorted(measured, key=lambda each: each.seconds)))


def require_parity(parity: Parity) -> None:
    """The gate before a version is served.

    Raises:
        JobFailed: a figure is above its tolerance.
    """
    for name, figure, tolerance in (
        ("torch and ONNX Runtime", parity.onnx, ONNX_TOLERANCE),
        ("a clip alone and the same clip in a batch", parity.batch, BATCH_TOLERANCE),
    ):
        if not figure <= tolerance:
            raise JobFailed(
                f"export: log-probabilities of {name} differ by {figure:.2g}, more than {tolerance:g}",
                hint="The model is not registered. Has the training diverged? A smaller learning_rate may help.",
            )


def probe_clips() -> list[Waveform]:
    """Noise of four lengths and loudnesses, swelling like syllables, one clip with an offset; always the same."""
    random = np.random.default_rng(20)
    clips = []
    for samples, loudness in ((16_000, 0.1), (5_000, 0.01), (33_333, 0.3), (9_999, 1.0)):
        swell = np.abs(np.sin(np.arange(samples) * (2 * np.pi * 2 / 16_000)))
        clips.append((loudness * (swell * random.standard_normal(samples) + 0.1)).astype(np.float32))
    return clips


def open_session(file: Path) -> Any:
    """An ONNX Runtime session on the CPU, which is where the gate measures."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _round(figure: float) -> float:
    return float(f"{figure:.2g}")
