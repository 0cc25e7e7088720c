"""`POST /v1/audio/transcriptions`, as OpenAI's own client asks for it, and as others do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile

from tests.gateway.conftest import MODEL, client_of
from thanosql.gateway.server import HttpServer

URL = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def client(gateway: HttpServer, token: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://{gateway.address}/v1", api_key=token, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def said(client: openai.OpenAI, recording: bytes) -> str:
    return client.audio.transcriptions.create(model=MODEL, file=("000.flac", recording)).text


def ask(client: openai.OpenAI, recording: bytes, **options: Any) -> Any:
    return client.audio.transcriptions.create(model=MODEL, file=("말하기 000.flac", recording), **options)


def test_the_text_is_that_of_predict(session, said):
    (row,) = session.sql(
        f"PREDICT USING {MODEL} AS SELECT 'tutorial_data/librispeech_data/000.flac' AS audio_path", progress=False
    )
    assert said == row.predicted
    assert said.strip()


def test_text_is_a_line(client, recording, said):
    assert ask(client, recording, response_format="text") == said + "\n"


def test_verbose_json_has_words_and_segments_with_times(client, recording, said):
    answer = ask(
        client, recording, response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en"
    )
    assert (answer.text, answer.language, answer.usage.type) == (said, "en", "duration")
    assert [word.word for word in answer.words] == said.split()
    assert " ".join(segment.text for segment in answer.segments) == said
    times = [moment for word in answer.words for moment in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= answer.duration


def test_srt_and_vtt_are_subtitles(client, recording, said):
    srt, vtt = ask(client, recording, response_format="srt"), ask(client, recording, response_format="vtt")
    assert srt.startswith("1\n00:00:0")
    assert vtt.startswith("WEBVTT\n\n00:00:0")
    assert srt.splitlines()[2] in said


def test_a_stream_is_one_piece_and_its_end(client, recording, said):
    events = list(ask(client, recording, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0].delta == events[1].text == said


def test_a_prompt_of_words_that_the_model_can_spell_is_taken(client, recording):
    assert ask(client, recording, prompt="mother, common sense").text


def test_a_model_that_is_not_there_is_told_with_those_that_are(client, recording):
    with pytest.raises(openai.NotFoundError, match=MODEL) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=("a.flac", recording))
    assert refused.value.code == "model_not_found"
    assert refused.value.request_id


def test_a_wrong_token_is_an_authentication_error(gateway, recording):
    with (
        openai.OpenAI(base_url=f"http://{gateway.address}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.audio.transcriptions.create(model=MODEL, file=("a.flac", recording))


@pytest.mark.parametrize(
    ("sound", "code"),
    [(b"", "unreadable"), (b"\x1aE\xdf\xa3webm", "unreadable"), ("short", "too_short"), ("silent", "silent")],
)
def test_a_recording_that_cannot_be_used_is_a_bad_request_that_says_why(client, sound, code):
    if isinstance(sound, str):
        samples = np.zeros(16_000) if sound == "silent" else np.full(100, 0.5)
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format="WAV")
        sound = file.getvalue()
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, sound)
    assert (refused.value.code, refused.value.param) == (code, "file")


def test_another_language_than_the_models_is_refused(client, recording):
    with pytest.raises(openai.BadRequestError, match="writes 'en', not 'ko'"):
        ask(client, recording, language="ko")


@pytest.mark.parametrize("form", ["WAV", "MP3", "OGG", "AIFF"])
def test_formats_are_told_by_content(http, workspace, form):
    samples, rate = soundfile.read(workspace / "tutorial_data/librispeech_data/000.flac")
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form)
    answer = http.post(URL, files={"file": ("speech.bin", file.getvalue())}, data={"model": MODEL})
    assert answer.status_code == 200
    assert answer.json()["text"].strip()


def test_the_models_are_listed_as_openai_does(client):
    models = list(client.models.list())
    assert MODEL in [model.id for model in models]
    assert client.models.retrieve(MODEL).owned_by == "thanosql"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("whisper-1")


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"data": {"model": MODEL}}, 415, "unsupported_media_type"),
        ({"json": {"model": MODEL}}, 415, "unsupported_media_type"),
        ({"files": {"sound": b"x"}, "data": {"model": MODEL}}, 400, "invalid_value"),
        ({"files": {"file": (None, b"x")}, "data": {"model": MODEL}}, 400, "unknown_parameter"),
        ({"files": [("file", b"x"), ("file", b"y")], "data": {"model": MODEL}}, 400, "invalid_form"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid_form"),
        ({"files": {"file": b"x"}}, 400, "missing_required_parameter"),
    ],
)
def test_a_form_that_is_none_is_refused(http: httpx.Client, options, status, code):
    answer = http.post(URL, **options)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_without_a_token_the_form_is_not_looked_at(gateway):
    with client_of(gateway) as stranger:
        answer = stranger.post(URL, content=b"no form", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 401
