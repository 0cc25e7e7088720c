"""The tensors of the Open Inference Protocol, as they come and as they are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_service.open_inference.tensors import (
    Tensor,
    choose_input,
    choose_outputs,
    read_audio_file,
    read_waveform,
    write_element,
)
from thanosql.errors import InvalidRequest

WAVE = np.linspace(-1, 1, 8, dtype=np.float32)


def waveform(raw: bytes | None = WAVE.tobytes(), shape: tuple[int, ...] = (8,), datatype: str = "FP32") -> Tensor:
    return Tensor("waveform", datatype, shape, raw)


def audio(raw: bytes | None, shape: tuple[int, ...] = (1,), datatype: str = "BYTES") -> Tensor:
    return Tensor("audio", datatype, shape, raw)


WRONG_WAVEFORMS = (
    (waveform(datatype="INT16"), "is of datatype INT16, and has to be FP32"),
    (waveform(datatype=""), r"is of datatype \(none\)"),
    (waveform(shape=(1, 8)), r"has the shape \[1, 8\], and has to have \[samples\]"),
    (waveform(shape=()), r"has the shape \[\]"),
    (waveform(raw=b"", shape=(0,)), "there is nothing in it"),
    (waveform(shape=(-8,)), "there is nothing in it"),
    (waveform(shape=(9,)), r"claims the shape \[9\], which takes 36 bytes, and 32 came"),
    (waveform(raw=WAVE.tobytes()[:-1]), "takes 32 bytes, and 31 came"),
    (waveform(shape=(2_700_000_000,)), r"2700000000 samples, which at 16000 samples a second is more than the 60 s"),
    (waveform(shape=(2**63 - 1,)), "is more than the 60 s"),
    (Tensor("waveform", "FP32", (3,), None, (0.5, 0.25)), "takes 3 elements, and 2 came"),
)
WRONG_AUDIO = (
    (audio(b"\1\0\0\0x", datatype="FP32"), "is of datatype FP32, and has to be BYTES"),
    (audio(b"\1\0\0\0x", shape=(1, 1)), r"has the shape \[1, 1\], and has to have \[1\]"),
    (audio(b"\1\0\0\0x", shape=(2,)), r"has the shape \[2\], and has to have \[1\]"),
    (audio(b"abc"), "takes at least the 4 bytes of an element's length, and 3 came"),
    (audio(struct.pack("<I", 4_000_000_000) + b"x"), "claims 4000000000 bytes, and 1 follow"),
    (audio(b"\0\0\0\0x"), "claims 0 bytes, and 1 follow"),
    (audio(b"\0\0\0\0"), "the input 'audio' is empty"),
    (Tensor("audio", "BYTES", (1,), None, ()), "takes 1 element, and 0 came"),
)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50))
def test_raw_and_typed_contents_are_the_same_samples(values: list[float]) -> None:
    raw = waveform(np.array(values, "<f4").tobytes(), (len(values),))
    typed = Tensor("waveform", "FP32", (len(values),), None, values)
    for tensor in (raw, typed):
        samples = read_waveform(tensor, sample_rate=16_000, max_seconds=60)
        assert samples.dtype == np.float32
        assert samples.tolist() == values


def test_raw_samples_are_not_copied() -> None:
    raw = WAVE.tobytes()
    assert np.shares_memory(
        read_waveform(waveform(raw), sample_rate=16_000, max_seconds=60), np.frombuffer(raw, np.uint8)
    )


@pytest.mark.parametrize(("tensor", "message"), WRONG_WAVEFORMS)
def test_a_waveform_that_is_not_what_it_claims_is_refused(tensor: Tensor, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_waveform(tensor, sample_rate=16_000, max_seconds=60)


@given(st.text(min_size=1))
def test_a_file_is_read_as_an_element_is_written(text: str) -> None:
    assert read_audio_file(audio(write_element(text))) == text.encode()
    assert read_audio_file(Tensor("audio", "BYTES", (1,), None, (text.encode(),))) == text.encode()


@pytest.mark.parametrize(("tensor", "message"), WRONG_AUDIO)
def test_a_file_that_is_not_what_it_claims_is_refused(tensor: Tensor, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_audio_file(tensor)


def test_who_names_no_output_gets_the_transcript() -> None:
    assert choose_outputs([]) == ("transcript",)
    assert choose_outputs(["words", "transcript"]) == ("words", "transcript")


@pytest.mark.parametrize(
    ("names", "message"), [(["text"], "there is no output 'text'"), (["words", "words"], "asked for twice")]
)
def test_an_output_that_does_not_exist_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        choose_outputs(names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["input_values"], "there is no input 'input_values'"),
        (["waveform", "audio"], "this one has 'waveform' and 'audio'"),
        (["audio", "audio"], "this one has 'audio' and 'audio'"),
        ([], "this one has none"),
    ],
)
def test_a_request_has_one_known_input(names: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        choose_input(names)
    assert "'waveform' is FP32 [samples]" in refused.value.hint
