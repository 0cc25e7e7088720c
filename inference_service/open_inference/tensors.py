"""The tensors of the Open Inference Protocol: which ones a model takes and gives, and how they lie in bytes.

Everything that a caller claims is held against what was sent, before anything is made of it: no claim of a size ever
allocates memory.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thanosql.errors import InvalidRequest

Samples = NDArray[np.float32]

ANY = -1
"""Of any length."""


@dataclass(frozen=True, slots=True)
class TensorKind:
    """A tensor that a model takes or gives."""

    name: str
    datatype: str
    """As the protocol spells it: "FP32" or "BYTES"."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input as it came."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    raw: bytes | None
    """Little-endian numbers, or elements of BYTES each after its length (uint32)."""
    elements: Sequence[float] | Sequence[bytes] = ()
    """Where there is no `raw`."""


WAVEFORM = TensorKind("waveform", "FP32", (ANY,))
"""Samples at the model's rate."""
AUDIO = TensorKind("audio", "BYTES", (1,))
"""The bytes of one file: wav, flac, ogg or mp3."""
INPUTS = (WAVEFORM, AUDIO)

TRANSCRIPT = "transcript"
LOG_PROBS = "log_probs"
CONFIDENCE = "confidence"
WORDS = "words"


def list_outputs(vocabulary: int) -> tuple[TensorKind, ...]:
    """What a model with so many tokens gives; the first one is given to whoever names none."""
    return (
        TensorKind(TRANSCRIPT, "BYTES", (1,)),
        TensorKind(LOG_PROBS, "FP32", (ANY, vocabulary)),
        TensorKind(CONFIDENCE, "FP32", (1,)),
        TensorKind(WORDS, "BYTES", (1,)),
    )


OUTPUTS = tuple(output.name for output in list_outputs(0))


def choose_outputs(asked: Iterable[str]) -> tuple[str, ...]:
    """The names of the outputs that are wanted, in the order of asking.

    Raises:
        InvalidRequest: there is no such output, or one is named twice.
    """
    names = tuple(asked)
    for name in names:
        if name not in OUTPUTS:
            raise InvalidRequest(f"there is no output {name!r}", hint=f"The outputs are {', '.join(OUTPUTS)}.")
    if len(set(names)) < len(names):
        raise InvalidRequest(f"an output is asked for twice: {', '.join(names)}", hint="Name each output once.")
    return names or OUTPUTS[:1]


def choose_input(names: Sequence[str]) -> str:
    """The name of the one input of a request.

    Raises:
        InvalidRequest: there is none or more than one, or it is unknown.
    """
    for name in names:
        if name not in (WAVEFORM.name, AUDIO.name):
            raise InvalidRequest(f"there is no input {name!r}", hint=_THE_INPUTS)
    if len(names) != 1:
        found = " and ".join(map(repr, names)) or "none"
        raise InvalidRequest(f"a request has one input; this one has {found}", hint=_THE_INPUTS)
    return names[0]


def read_waveform(tensor: Tensor, *, sample_rate: int, max_seconds: float) -> Samples:
    """The samples `[samples]` of the input `waveform`: a view of the bytes where they came raw.

    Raises:
        InvalidRequest: it is not what it claims to be.
    """
    count = _check_claim(tensor, WAVEFORM)
    if count > max_seconds * sample_rate:
        raise InvalidRequest(
            f"the input 'waveform' has {count} samples, which at {sample_rate} samples a second is more than the "
            f"{max_seconds:g} s that a request may have",
            hint="Send a longer recording in parts, or as a compressed file in the input 'audio'.",
        )
    if tensor.raw is None:
        if len(tensor.elements) != count:
            raise _wrong_size(tensor, f"{count} elements", f"{len(tensor.elements)}")
        return np.fromiter(tensor.elements, np.float32, count)
    if len(tensor.raw) != 4 * count:
        raise _wrong_size(tensor, f"{4 * count} bytes", f"{len(tensor.raw)}")
    samples: Samples = np.frombuffer(tensor.raw, "<f4")
    return samples


def read_audio_file(tensor: Tensor) -> bytes:
    """The bytes of the file in the input `audio`.

    Raises:
        InvalidRequest: it is not what it claims to be.
    """
    _check_claim(tensor, AUDIO)
    if tensor.raw is None:
        if len(tensor.elements) != 1 or not isinstance(tensor.elements[0], bytes):
            raise _wrong_size(tensor, "1 element", f"{len(tensor.elements)}")
        file = tensor.elements[0]
    else:
        if len(tensor.raw) < 4:
            raise _wrong_size(tensor, "at least the 4 bytes of an element's length", f"{len(tensor.raw)}")
        (length,) = struct.unpack_from("<I", tensor.raw)
        if len(tensor.raw) - 4 != length:
            raise InvalidRequest(
                f"the element of the input 'audio' claims {length} bytes, and {len(tensor.raw) - 4} follow",
                hint="An element of BYTES is its length, a little-endian uint32, and then that many bytes.",
            )
        file = tensor.raw[4:]
    if not file:
        raise InvalidRequest("the input 'audio' is empty", hint="Send the bytes of a wav, flac, ogg or mp3 file.")
    return file


def write_element(text: str) -> bytes:
    """A tensor of BYTES with one element."""
    encoded = text.encode()
    return len(encoded).to_bytes(4, "little") + encoded


def _check_claim(tensor: Tensor, kind: TensorKind) -> int:
    """How many elements the tensor claims, once datatype and shape are those of `kind`."""
    if tensor.datatype != kind.datatype:
        raise InvalidRequest(
            f"the input {tensor.name!r} is of datatype {tensor.datatype or '(none)'}, and has to be {kind.datatype}",
            hint=_HINTS[kind.name],
        )
    shape = list(tensor.shape)
    if len(shape) != 1 or kind.shape[0] not in (ANY, shape[0]):
        raise InvalidRequest(
            f"the input {tensor.name!r} has the shape {shape}, and has to have {_show(kind.shape)}",
            hint="A request is one recording: its shape has no dimension for a batch.",
        )
    count = math.prod(shape)
    if count < 1:
        raise InvalidRequest(
            f"the input {tensor.name!r} has the shape {shape}: there is nothing in it", hint=_HINTS[kind.name]
        )
    return count


def _wrong_size(tensor: Tensor, claimed: str, found: str) -> InvalidRequest:
    return InvalidRequest(
        f"the input {tensor.name!r} claims the shape {list(tensor.shape)}, which takes {claimed}, and {found} came",
        hint="Shape and contents have to agree.",
    )


def _show(shape: tuple[int, ...]) -> str:
    return "[samples]" if shape == WAVEFORM.shape else str(list(shape))


_HINTS = {
    WAVEFORM.name: "'waveform' is FP32 [samples]: samples from -1 to 1 at the model's rate.",
    AUDIO.name: "'audio' is BYTES [1]: the bytes of a wav, flac, ogg or mp3 file.",
}
_THE_INPUTS = " Or: ".join(_HINTS.values())
