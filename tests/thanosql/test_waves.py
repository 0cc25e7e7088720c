"""Samples as WAV files, read back by the service's own reader of recordings."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from thanosql.errors import AudioError
from thanosql.waves import is_array, write_wave


def read(audio: bytes) -> tuple[Any, int]:
    samples, rate = soundfile.read(io.BytesIO(audio), dtype="float32")
    return samples, rate


WAVE = np.sin(np.arange(800) / 20.0).astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 3.0, 0.0001])
def test_samples_come_back_as_loud_as_they_were(scale: float) -> None:
    samples, rate = read(write_wave(WAVE * scale, 8_000))
    assert rate == 8_000
    np.testing.assert_allclose(samples, WAVE * scale, atol=4e-5 * min(1.0, scale * 10))


def test_whole_numbers_of_16_bits_are_kept() -> None:
    samples, _ = read(write_wave((WAVE * 32_000).astype(np.int16), 16_000))
    np.testing.assert_array_equal(samples, (WAVE * 32_000).astype(np.int16) / 32_768)


@pytest.mark.parametrize("shape", ["channels first", "channels last"])
def test_the_shorter_side_are_the_channels(shape: str) -> None:
    stereo = np.stack([WAVE, -WAVE]) * 0.5
    samples, _ = read(write_wave(stereo if shape == "channels first" else stereo.T, 16_000))
    assert samples.shape == (800, 2)
    np.testing.assert_allclose(samples[:, 0], stereo[0], atol=4e-5)


def test_lists_of_numbers_are_samples() -> None:
    samples, _ = read(write_wave([0.0, 0.25, -0.25], 16_000))
    np.testing.assert_allclose(samples, [0.0, 0.25, -0.25])
    samples, _ = read(write_wave([0, 16_384, -16_384], 16_000))
    np.testing.assert_allclose(samples, [0.0, 0.5, -0.5])


def test_paths_and_bytes_are_no_samples() -> None:
    assert is_array(WAVE)
    assert is_array([0.0])
    assert not any(is_array(each) for each in ("a.wav", b"RIFF", ["a.wav"], [b"RIFF"], []))


@pytest.mark.parametrize("samples", [np.zeros((2, 2, 2)), np.zeros(0), WAVE.astype(np.int64)])
def test_what_is_no_recording_is_refused(samples: Any) -> None:
    with pytest.raises(AudioError):
        write_wave(samples, 16_000)
