"""The fields of a request for a transcription: what is taken, and what is refused with which words."""

from __future__ import annotations

import pytest

from thanosql.gateway.failures import Refusal
from thanosql.gateway.formats import Format, Granularity
from thanosql.gateway.transcription_form import read_form, read_prompt


def test_a_model_is_enough():
    asked = read_form({"model": ["m"]})
    assert (asked.form, asked.language, asked.hotwords, asked.is_streamed) == (Format.JSON, "", (), False)


def test_what_openais_clients_send_is_understood():
    asked = read_form(
        {
            "model": ["m"],
            "language": ["en"],
            "prompt": ["Kim, Marie  Curie. ThanoSQL"],
            "response_format": ["verbose_json"],
            "temperature": ["0.2"],
            "timestamp_granularities[]": ["word", "segment"],
            "stream": ["false"],
        }
    )
    assert asked.form is Format.VERBOSE_JSON
    assert asked.granularity == Granularity(words=True, segments=True)
    assert asked.hotwords == ("Kim", "Marie Curie", "ThanoSQL")


@pytest.mark.parametrize(
    ("fields", "parameter", "code"),
    [
        ({}, "model", "missing_required_parameter"),
        ({"model": [" "]}, "model", "missing_required_parameter"),
        ({"model": ["m", "n"]}, "model", "invalid_value"),
        ({"model": ["m"], "colour": ["red"]}, "colour", "unknown_parameter"),
        ({"model": ["m"], "include[]": ["logprobs"]}, "include[]", "unsupported_parameter"),
        ({"model": ["m"], "response_format": ["xml"]}, "response_format", "invalid_value"),
        ({"model": ["m"], "temperature": ["nan"]}, "temperature", "invalid_value"),
        ({"model": ["m"], "temperature": ["2"]}, "temperature", "invalid_value"),
        ({"model": ["m"], "language": ["English please"]}, "language", "invalid_value"),
        ({"model": ["m"], "stream": ["maybe"]}, "stream", "invalid_value"),
        ({"model": ["m"], "stream": ["true"], "response_format": ["srt"]}, "stream", "invalid_value"),
        ({"model": ["m"], "timestamp_granularities[]": ["word"]}, "timestamp_granularities[]", "invalid_value"),
        ({"model": ["m"], "chunking_strategy": ["server_vad"]}, "chunking_strategy", "invalid_value"),
        ({"model": ["m"], "prompt": ["x" * 10_001]}, "prompt", "invalid_value"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(fields, parameter, code):
    with pytest.raises(Refusal) as refused:
        read_form(fields)
    assert (refused.value.status, refused.value.parameter, refused.value.code) == (400, parameter, code)


def test_a_prompt_of_hangul_is_cut_at_its_own_marks():
    assert read_prompt("서울、부산。 대전\n대전") == ("서울", "부산", "대전")
