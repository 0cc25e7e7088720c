"""Reads recordings of any format, rate and number of channels as mono float32 at the model's rate.

Formats are told by content, never by suffix (libsndfile: wav, flac, mp3, ogg, aiff, …). Every way in which
a recording can be unusable is an `AudioError` whose `reason` can be counted.
"""

from __future__ import annotations

import codecs
import io
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from thanosql.errors import AudioError

SAMPLE_RATE = 16_000
"""Samples per second that the models take."""
MINIMUM_SECONDS = 0.1
"""Shorter recordings hold no word."""
SILENCE_PEAK = 1e-4
"""A recording whose loudest sample is below this (−80 dB of full scale, 3 steps of 16 bits) is silent."""
RESAMPLING = "HQ"
"""soxr's quality. HQ keeps the pass band to 0.91 of the Nyquist frequency with 20 bits of precision: better than the
16-bit sources and finer than any feature of speech. VHQ takes half as long again for nothing a model hears; LQ
aliases."""

_BLOCK_SAMPLES = 1 << 18
_RATES = range(1_000, 768_001)
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioHeader:
    """What a file says of itself."""

    seconds: float
    sample_rate: int
    channels: int
    format: str
    """libsndfile's name: WAV, FLAC, MP3, OGG, …"""


def read_header(source: Path | bytes, *, name: str = "") -> AudioHeader:
    """Length, rate, channels and format, without decoding where the file tells its length.

    Raises:
        AudioError: missing or unreadable.
    """
    label = _label(source, name)
    with _open(source, label) as file:
        frames = _announced_frames(file)
        if frames is None:
            frames = sum(len(block) for block in _decode(file, label))
        return AudioHeader(frames / file.samplerate, file.samplerate, file.channels, file.format)


def read_audio(
    source: Path | bytes, *, sample_rate: int = SAMPLE_RATE, max_seconds: float | None = None, name: str = ""
) -> Samples:
    """A whole recording: float32 `[samples]`, channels averaged, at `sample_rate`, as loud as it is.

    Args:
        source: A file, or the bytes of one.
        sample_rate: Samples per second of the result.
        max_seconds: Longer recordings are refused; no more than this is ever held.
        name: What messages call the recording; the path where left out.

    Raises:
        AudioError: missing, unreadable, too short, too long, silent or not finite.
    """
    return np.concatenate(list(read_blocks(source, sample_rate=sample_rate, max_seconds=max_seconds, name=name)))


def read_blocks(
    source: Path | bytes, *, sample_rate: int = SAMPLE_RATE, max_seconds: float | None = None, name: str = ""
) -> Iterator[Samples]:
    """What `read_audio` gives, block by block, for recordings that shall not be held whole.

    Raises:
        AudioError: as `read_audio`; what can only be known at the end (silent, breaks off) is raised at the end.
    """
    label = _label(source, name)
    with _open(source, label) as file:
        rate = file.samplerate
        announced = _announced_frames(file)
        if max_seconds is not None and announced is not None and announced > max_seconds * rate:
            raise _too_long(label, announced / rate, max_seconds)
        resampler = None
        if rate != sample_rate:
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality=RESAMPLING)
        frames, peak = 0, 0.0
        for block in _decode(file, label):
            # A header may lie about the length, so it is watched here too.
            if max_seconds is not None and frames + len(block) > max_seconds * rate:
                raise _too_long(label, (frames + len(block)) / rate, max_seconds)
            if not np.isfinite(block).all():
                raise _not_finite(label, frames / rate)
            frames += len(block)
            mono: Samples = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
            peak = max(peak, _peak(mono))
            yield mono if resampler is None else resampler.resample_chunk(mono)
        if frames < MINIMUM_SECONDS * rate:
            raise _too_short(label, frames / rate)
        if peak < SILENCE_PEAK:
            raise _silent(label, peak)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def check_samples(
    samples: Samples, *, sample_rate: int = SAMPLE_RATE, max_seconds: float | None = None, name: str = "samples"
) -> None:
    """Finds in samples that were sent as such what `read_audio` finds in a file.

    Args:
        samples: float32 `[samples]`.
        sample_rate: Samples per second.
        max_seconds: Longer recordings are refused.
        name: What messages call them.

    Raises:
        AudioError: too short, too long, silent or not finite.
    """
    label, seconds = repr(name), len(samples) / sample_rate
    if max_seconds is not None and seconds > max_seconds:
        raise _too_long(label, seconds, max_seconds)
    if seconds < MINIMUM_SECONDS:
        raise _too_short(label, seconds)
    peak = _peak(samples)
    # Not a number as soon as one of the samples is not.
    if not math.isfinite(peak):
        good = np.isfinite(samples)
        raise _not_finite(label, int(good.argmin()) / sample_rate)
    if peak < SILENCE_PEAK:
        raise _silent(label, peak)


def is_silent(samples: Samples) -> bool:
    """Whether nothing in `samples` is as loud as `SILENCE_PEAK`."""
    return _peak(samples) < SILENCE_PEAK


def _decode(file: Any, label: str) -> Iterator[Samples]:
    """Blocks `[frames, channels]` of an open file; a file that breaks off is an error, not a shorter recording."""
    announced = _announced_frames(file)
    size = max(1, min(_BLOCK_SAMPLES // file.channels, (announced or _BLOCK_SAMPLES) + 1))
    frames = 0
    while True:
        try:
            block: Samples = file.read(size, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise _broken_off(label, "it cannot be decoded to its end") from error
        if not len(block):
            break
        frames += len(block)
        yield block
    # Decoders of mp3 round the length by less than this.
    if announced is not None and frames + MINIMUM_SECONDS * file.samplerate < announced:
        raise _broken_off(label, f"it ends after {frames / file.samplerate:.1f} s, and its header announces more")


@contextmanager
def _open(source: Path | bytes, label: str) -> Iterator[Any]:
    """The open `soundfile.SoundFile`, of believable rate, and as long as its header says.

    Raises:
        AudioError: missing or unreadable.
    """
    try:
        # libsndfile would judge by the suffix, so it is given no name.
        stream = _Memory(source) if isinstance(source, bytes) else source.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        is_folder = isinstance(error, IsADirectoryError)
        raise AudioError(
            f"{label} {'is a folder, not a file' if is_folder else 'does not exist'}",
            reason="missing",
            hint="Paths are relative to the workspace root.",
        ) from error
    except OSError as error:
        raise AudioError(
            f"{label} cannot be opened: {error.strerror}", reason="unreadable", hint="Check the file's permissions."
        ) from error
    with stream:
        start = stream.read(512)
        stream.seek(0, os.SEEK_END)
        size = stream.tell()
        stream.seek(0)
        try:
            file = _Forward(stream if isinstance(source, bytes) else stream.fileno(), closefd=False)
        except soundfile.SoundFileError as error:
            raise _not_audio(label, start, size, error) from error
        with file:
            if file.samplerate not in _RATES:
                raise AudioError(
                    f"{label} says that it has {file.samplerate} samples per second, which is not speech",
                    reason="unreadable",
                    hint=f"Rates from {_RATES[0]} to {_RATES[-1]} are read; the header may be damaged.",
                )
            _check_complete(file, label)
            yield file


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is only read onwards: soundfile would seek after each block, which fails where no length is known."""

    def seekable(self) -> bool:
        return False


class _Memory(io.BytesIO):
    """Bytes as a file in which a damaged header cannot lead before the start (soundfile would print a traceback)."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return super().seek(max(offset, 0) if whence == os.SEEK_SET else offset, whence)


_ANNOUNCED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_ANNOUNCED_LONG = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
_BROKEN_PAGE = re.compile(r"^Ogg ?: Junk after the last page", re.MULTILINE)
_PLACEHOLDER = 0x7FFF0000
"""Programs that write into a pipe announce about 2 or 4 GiB, because they do not know the length."""


def _check_complete(file: Any, label: str) -> None:
    """libsndfile takes the shorter length where header and file disagree, and only its log tells."""
    log, seconds = file.extra_info, file.frames / file.samplerate
    lengths = [(int(announced), int(found)) for announced, found in _ANNOUNCED.findall(log)]
    lengths += [(int(announced), int(found)) for found, announced in _ANNOUNCED_LONG.findall(log)]
    lacking = any(
        announced < _PLACEHOLDER and (announced - found) * seconds >= MINIMUM_SECONDS * found
        for announced, found in lengths
        if announced > found
    )
    if lacking or _BROKEN_PAGE.search(log):
        raise _broken_off(label, f"it ends after {seconds:.1f} s, and its header announces more")


def _announced_frames(file: Any) -> int | None:
    """The length by the header; None where the header leaves it open (a flac written into a pipe)."""
    frames = int(file.frames)
    return frames if frames < 1 << 62 else None


def _peak(samples: Samples) -> float:
    return max(float(samples.max()), -float(samples.min())) if len(samples) else 0.0


def _label(source: Path | bytes, name: str) -> str:
    return repr(name or str(source)) if name or not isinstance(source, bytes) else "the audio that was sent"


def _too_short(label: str, seconds: float) -> AudioError:
    return AudioError(
        f"{label} is {seconds:.3f} s long, under the least of {MINIMUM_SECONDS} s",
        reason="too short",
        hint="Give a recording that holds at least a word.",
    )


def _silent(label: str, peak: float) -> AudioError:
    return AudioError(
        f"{label} is silent: its loudest sample is {peak:.6f} of full scale, under {SILENCE_PEAK}",
        reason="silent",
        hint="Check the recording, or the channel it was taken from.",
    )


def _not_finite(label: str, seconds: float) -> AudioError:
    return AudioError(
        f"{label} holds values that are not numbers, from {seconds:.1f} s on",
        reason="not finite",
        hint="Write the recording again as 16-bit wav or flac.",
    )


def _too_long(label: str, seconds: float, limit: float) -> AudioError:
    return AudioError(
        f"{label} is at least {seconds:.1f} s long, over the limit of {limit:g} s",
        reason="too long",
        hint="Cut the recording into shorter ones, or raise the limit.",
    )


def _broken_off(label: str, what: str) -> AudioError:
    return AudioError(
        f"{label} is truncated or damaged: {what}", reason="unreadable", hint="Copy or download the file again."
    )


def _not_audio(label: str, start: bytes, size: int, error: Exception) -> AudioError:
    if not size:
        return AudioError(f"{label} is empty (0 bytes)", reason="unreadable", hint="Copy or download the file again.")
    what = (
        "holds text, not audio" if _is_text(start) else f"is not audio that can be read (libsndfile: {_detail(error)})"
    )
    return AudioError(
        f"{label} {what}", reason="unreadable", hint="wav, flac, mp3, ogg and aiff are read, whatever the suffix says."
    )


def _detail(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _is_text(start: bytes) -> bool:
    try:
        # Not final: the last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n\ufeff" for c in text)
