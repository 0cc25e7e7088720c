"""Samples in memory as the bytes of a WAV file: arrays of numpy and torch, and lists of numbers."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Any

from thanosql.errors import AudioError

_PCM, _FLOAT = 1, 3
QUIETEST = 0.01
"""Peak below which 16 bits are too few for samples from -1 to 1."""


def is_array(what: object) -> bool:
    """Whether something is samples: an array, a tensor, or a list that begins with a number."""
    if hasattr(what, "__array__"):
        return True
    return isinstance(what, list | tuple | array) and len(what) > 0 and isinstance(what[0], int | float)


def write_wave(samples: Any, sample_rate: int) -> bytes:
    """A WAV file of samples: of 16 bits where those do, else of 32-bit floating-point numbers.

    Args:
        samples: From -1 to 1, or 16-bit whole numbers; (samples,), (channels, samples) or (samples, channels): the
            shorter side are the channels.
        sample_rate: Samples a second.

    Raises:
        AudioError: there are none, or they have more than two dimensions.
    """
    if not isinstance(sample_rate, int) or sample_rate <= 0:
        raise AudioError(
            f"the sample rate is {sample_rate!r}", reason="unreadable", hint="Give samples a second: 16000."
        )
    if not hasattr(samples, "__array__"):
        return _write_list(samples, sample_rate)
    import numpy as np

    values = np.asarray(samples.detach().cpu() if hasattr(samples, "detach") else samples)
    if values.ndim == 2 and values.shape[0] < values.shape[1]:
        values = values.T
    if values.ndim not in (1, 2) or not values.size:
        message = f"an array of the shape {values.shape} is no recording"
        raise AudioError(message, reason="unreadable", hint="Give (samples,) or (channels, samples).")
    channels = 1 if values.ndim == 1 else values.shape[1]
    if values.dtype.kind in "iu":
        if values.dtype != np.int16:
            message = f"an array of {values.dtype} is no recording"
            raise AudioError(message, reason="unreadable", hint="Give 16-bit whole numbers, or numbers from -1 to 1.")
        return _file(_PCM, 16, channels, sample_rate, values.astype("<i2").tobytes())
    peak = float(np.abs(values).max())
    if QUIETEST <= peak <= 1.0:
        data = np.clip(np.rint(values * 32768.0), -32768, 32767).astype("<i2").tobytes()
        return _file(_PCM, 16, channels, sample_rate, data)
    return _file(_FLOAT, 32, channels, sample_rate, values.astype("<f4").tobytes())


def _write_list(samples: Sequence[float], sample_rate: int) -> bytes:
    if all(isinstance(each, int) for each in samples) and max(abs(each) for each in samples) > 1:
        kept = [min(32767, max(-32768, int(each))) for each in samples]
        return _file(_PCM, 16, 1, sample_rate, struct.pack(f"<{len(kept)}h", *kept))
    data = struct.pack(f"<{len(samples)}f", *samples)
    return _file(_FLOAT, 32, 1, sample_rate, data)


def _file(kind: int, bits: int, channels: int, sample_rate: int, data: bytes) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, sample_rate, sample_rate * frame, frame, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 4 + len(form) + 8 + len(data))
        + b"WAVE"
        + form
        + struct.pack("<4sI", b"data", len(data))
        + data
    )
