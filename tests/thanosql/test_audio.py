"""Reading recordings: every format, rate and number of channels, and every way in which one can be unusable."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from thanosql.audio import MINIMUM_SECONDS, SAMPLE_RATE, SILENCE_PEAK, read_audio, read_blocks, read_header
from thanosql.errors import AudioError

FORMATS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
FORMATS += [("AIFF", "PCM_16"), ("AU", "PCM_16"), ("RF64", "PCM_16")]


def make_tone(seconds: float, rate: int = SAMPLE_RATE, hertz: float = 440.0) -> np.ndarray:
    """A tone with a little noise, so that no codec makes it tiny."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(1).standard_normal(len(times)) * 0.01
    return (0.3 * np.sin(2 * np.pi * hertz * times) + noise).astype(np.float32)


def encode(samples: np.ndarray, rate: int = SAMPLE_RATE, form: str = "WAV", subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def refuse(source: Path | bytes, **options: float) -> AudioError:
    with pytest.raises(AudioError) as caught:
        read_audio(source, max_seconds=options.get("max_seconds"))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
def test_a_recording_of_any_format_is_read(form: str, subtype: str) -> None:
    tone = make_tone(2)
    samples = read_audio(encode(tone, form=form, subtype=subtype))
    assert samples.dtype == np.float32
    assert samples.shape == tone.shape
    assert np.abs(samples - tone).mean() < 0.05


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_a_recording_of_any_rate_sounds_the_same(rate: int) -> None:
    samples = read_audio(encode(make_tone(2, rate, hertz=1000), rate, "FLAC"))
    assert len(samples) == 2 * SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() / 2 == 1000
    assert 0.2 < np.sqrt(2) * samples.std() < 0.4


def test_tones_that_the_rate_cannot_hold_do_not_come_back_as_others() -> None:
    samples = read_audio(encode(make_tone(1, 48_000, hertz=11_000), 48_000))
    assert samples.std() < 0.02


def test_channels_are_averaged() -> None:
    left, right = make_tone(1, hertz=300), make_tone(1, hertz=500)
    samples = read_audio(encode(np.stack([left, right], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-6)


def test_a_flac_file_that_is_named_wav_is_read(tmp_path: Path) -> None:
    file = tmp_path / "really-flac.wav"
    file.write_bytes(encode(make_tone(1), form="FLAC"))
    assert read_header(file).format == "FLAC"
    assert len(read_audio(file)) == SAMPLE_RATE


@pytest.mark.parametrize("name", ["sound.raw", "sound", "소리 1.wav"])
def test_the_name_of_a_file_does_not_matter(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(encode(make_tone(1)))
    assert len(read_audio(file)) == SAMPLE_RATE


def test_the_header_says_length_rate_channels_and_format() -> None:
    header = read_header(encode(np.zeros((22_050, 2), np.float32), 44_100))
    assert (header.seconds, header.sample_rate, header.channels, header.format) == (0.5, 44_100, 2, "WAV")


def test_a_long_recording_comes_in_blocks_that_make_the_whole() -> None:
    encoded = encode(make_tone(60, 8_000), 8_000)
    blocks = list(read_blocks(encoded))
    assert len(blocks) > 1
    assert sum(map(len, blocks)) == 60 * SAMPLE_RATE
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(encoded))


def test_a_flac_file_that_was_written_into_a_pipe_is_read_to_its_end() -> None:
    encoded = bytearray(encode(make_tone(40), form="FLAC"))
    encoded[21] &= 0xF0  # the 36 bits that say how many samples there are: 0 is "unknown"
    encoded[22:26] = bytes(4)
    assert read_header(bytes(encoded)).seconds == 40
    assert len(read_audio(bytes(encoded))) == 40 * SAMPLE_RATE


def test_a_wav_file_that_was_written_into_a_pipe_is_read_to_its_end() -> None:
    encoded = bytearray(encode(make_tone(2)))
    encoded[40:44] = b"\xff\xff\xff\xff"
    assert len(read_audio(bytes(encoded))) == 2 * SAMPLE_RATE


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    error = refuse(tmp_path / "no.wav")
    assert error.reason == "missing"
    assert "no.wav' does not exist" in error.message


def test_a_folder_is_missing(tmp_path: Path) -> None:
    assert "is a folder" in refuse(tmp_path).message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"however if we look sharp\n" * 40, "holds text, not audio"),
        (("조심해서 보면 찾을 수 있다\n" * 40).encode(), "holds text, not audio"),
        (bytes(1000), "is not audio that can be read"),
        (encode(make_tone(1))[:30], "is not audio that can be read"),
    ],
    ids=["empty", "text", "korean text", "zeros", "half a header"],
)
def test_what_is_no_recording_is_unreadable(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "claims-to-be.wav"
    file.write_bytes(content)
    for source in (file, content):
        error = refuse(source)
        assert error.reason == "unreadable"
        assert says in error.message


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
def test_a_recording_that_breaks_off_is_not_taken_for_a_shorter_one(form: str, subtype: str) -> None:
    encoded = encode(make_tone(20), form=form, subtype=subtype)
    error = refuse(encoded[: len(encoded) // 2])
    assert error.reason == "unreadable"
    assert "truncated" in error.message


def test_some_bytes_more_or_less_at_the_end_are_forgiven() -> None:
    encoded = encode(make_tone(2))
    assert len(read_audio(encoded[:-10])) == 2 * SAMPLE_RATE - 5
    assert len(read_audio(encoded + b"\0\0")) == 2 * SAMPLE_RATE


def test_a_recording_of_a_hundredth_of_a_second_is_too_short() -> None:
    assert refuse(encode(make_tone(0.01))).reason == "too short"


@pytest.mark.parametrize("rate", [SAMPLE_RATE, 44_100])
def test_the_shortest_recording_is_read(rate: int) -> None:
    assert len(read_audio(encode(make_tone(MINIMUM_SECONDS, rate), rate))) == 1600


def test_a_recording_over_the_limit_is_too_long() -> None:
    encoded = encode(make_tone(3))
    assert refuse(encoded, max_seconds=2.0).reason == "too long"
    assert len(read_audio(encoded, max_seconds=3.0)) == 3 * SAMPLE_RATE


def test_a_recording_whose_header_hides_its_length_is_too_long_too() -> None:
    encoded = bytearray(encode(make_tone(40), form="FLAC"))
    encoded[21] &= 0xF0
    encoded[22:26] = bytes(4)
    assert refuse(bytes(encoded), max_seconds=20.0).reason == "too long"


def test_a_silent_recording_is_silent() -> None:
    assert refuse(encode(np.zeros(SAMPLE_RATE, np.float32))).reason == "silent"
    assert refuse(encode(make_tone(1) * SILENCE_PEAK, subtype="FLOAT")).reason == "silent"


def test_a_quiet_recording_is_not_silent() -> None:
    assert len(read_audio(encode(make_tone(1) * 0.001, subtype="FLOAT"))) == SAMPLE_RATE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_refused(value: float) -> None:
    samples = make_tone(1)
    samples[100] = value
    stereo = np.stack([samples, -samples], axis=1)
    for each in (samples, stereo):
        assert refuse(encode(each, subtype="FLOAT")).reason == "not finite"


def test_messages_call_the_recording_by_the_name_that_is_given(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^'clips/a\.wav' does not exist"):
        read_audio(tmp_path / "clips" / "a.wav", name="clips/a.wav")
