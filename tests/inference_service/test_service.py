"""The running service, over gRPC."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from thanosql.audio import read_audio
from thanosql.clients import InferenceClient
from thanosql.errors import DataError, Unavailable, UnknownModel
from thanosql.rpc.server import RunningServer
from thanosql.types import ClipFailure, TranscribeClip, TranscribeStart, Transcript

Start = Callable[..., tuple[RunningServer, InferenceClient]]

FOLDER = "tutorial_data/librispeech_data"
TINY = TranscribeStart("tiny", 1)


def by_path(numbers: range) -> list[TranscribeClip]:
    return [TranscribeClip(number, path=f"{FOLDER}/{number:03d}.flac") for number in numbers]


def transcribe(
    client: InferenceClient, clips: list[TranscribeClip], start: TranscribeStart = TINY
) -> dict[int, Transcript | ClipFailure]:
    answers = {answer.id: answer for answer in client.transcribe(start, clips)}
    assert sorted(answers) == sorted(clip.id for clip in clips)
    return answers


def texts(answers: dict[int, Transcript | ClipFailure]) -> dict[int, str]:
    assert all(isinstance(answer, Transcript) for answer in answers.values()), answers
    return {number: answer.text for number, answer in answers.items() if isinstance(answer, Transcript)}


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_clip_is_answered_by_its_id(client: InferenceClient, checkout: Path) -> None:
    answers = transcribe(client, by_path(range(6)))
    for number, text in texts(answers).items():
        assert len(text) > 10
        seconds = len(read_audio(checkout / FOLDER / f"{number:03d}.flac")) / 16_000
        assert answers[number].audio_seconds == pytest.approx(seconds)  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["tiny", "grouped"])
def test_a_clip_says_the_same_alone_and_in_any_batch(model: str, start_service: Start) -> None:
    clips = by_path(range(12))
    start = TranscribeStart(model, 1, words=True)
    _, single = start_service(workers=1, batch_rows=1)
    _, batched = start_service(workers=1, batch_rows=16, batch_seconds=120.0)
    alone, together = transcribe(single, clips, start), transcribe(batched, clips, start)
    assert texts(alone) == texts(together)
    for number in alone:
        one, other = alone[number], together[number]
        assert isinstance(one, Transcript)
        assert isinstance(other, Transcript)
        assert [(w.word, w.start, w.end) for w in one.words] == [(w.word, w.start, w.end) for w in other.words]
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
    assert batched.get_statistics()[0].batches < len(clips) == single.get_statistics()[0].batches


def test_a_batch_is_no_larger_than_the_caller_wants(start_service: Start) -> None:
    _, client = start_service(workers=1, batch_rows=16, batch_seconds=120.0)
    transcribe(client, by_path(range(9)), TranscribeStart("tiny", 1, batch_size=1))
    assert client.get_statistics()[0].batches == 9


def test_bytes_say_the_same_as_the_file(client: InferenceClient, checkout: Path) -> None:
    content = (checkout / FOLDER / "004.flac").read_bytes()
    answers = transcribe(client, [TranscribeClip(0, audio=content), TranscribeClip(1, path=f"{FOLDER}/004.flac")])
    assert answers[0].text == answers[1].text  # type: ignore[union-attr]


def test_words_have_times_and_confidences_where_they_are_wanted(client: InferenceClient) -> None:
    clips = by_path(range(1))
    (without,) = transcribe(client, clips).values()
    (answer,) = transcribe(client, clips, TranscribeStart("tiny", 1, words=True)).values()
    assert isinstance(answer, Transcript)
    assert isinstance(without, Transcript)
    assert without.words == ()
    assert " ".join(word.word for word in answer.words) == answer.text == without.text
    assert all(0 <= word.start < word.end <= answer.audio_seconds for word in answer.words)
    assert 0 < answer.confidence == without.confidence < 1


@pytest.fixture
def odd_files(checkout: Path, tmp_path: Path) -> Path:
    """A workspace of good and bad recordings."""
    good = checkout / FOLDER / "000.flac"
    samples = read_audio(good)
    shutil.copy(good, tmp_path / "good.flac")
    shutil.copy(good, tmp_path / "flac-named.wav")
    soundfile.write(tmp_path / "stereo.wav", np.repeat(np.stack([samples, samples], 1), 3, axis=0), 48_000)
    soundfile.write(tmp_path / "telephone.wav", samples[::2], 8_000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a recording\n")
    (tmp_path / "truncated.flac").write_bytes(good.read_bytes()[:20_000])
    soundfile.write(tmp_path / "click.wav", samples[:160], 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 15), 16_000)
    return tmp_path


def test_a_bad_clip_fails_on_its_own_and_says_why(odd_files: Path, start_service: Start) -> None:
    _, client = start_service(workspace=odd_files, max_audio_seconds=60.0)
    expected = {
        "good.flac": "",
        "empty.wav": "unreadable",
        "text.wav": "unreadable",
        "truncated.flac": "unreadable",
        "click.wav": "too short",
        "silent.wav": "silent",
        "nan.wav": "not finite",
        "long.wav": "too long",
        "nowhere.wav": "missing",
        "../outside.wav": "path refused",
        "https://example.org/a.wav": "path refused",
        "flac-named.wav": "",
        "stereo.wav": "",
        "telephone.wav": "",
    }
    answers = transcribe(client, [TranscribeClip(number, path=path) for number, path in enumerate(expected)])
    for answer, (path, reason) in zip((answers[n] for n in range(len(expected))), expected.items(), strict=True):
        if reason:
            assert isinstance(answer, ClipFailure), path
            assert answer.reason == reason
            assert repr(path) in answer.message
            assert str(odd_files / path) not in answer.message
        else:
            assert isinstance(answer, Transcript), answer
    (figures,) = client.get_statistics()
    assert (figures.clips, figures.failures) == (4, 10)


def test_a_clip_without_path_and_audio_is_missing(client: InferenceClient) -> None:
    (answer,) = transcribe(client, [TranscribeClip(3)]).values()
    assert isinstance(answer, ClipFailure)
    assert answer.reason == "missing"


def test_a_long_recording_is_cut_and_says_what_its_parts_say(odd_files: Path, start_service: Start) -> None:
    _, client = start_service(workspace=odd_files)
    answers = transcribe(client, [TranscribeClip(0, path="long.wav"), TranscribeClip(1, path="good.flac")])
    long, good = answers[0], answers[1]
    assert isinstance(long, Transcript)
    assert isinstance(good, Transcript)
    assert long.audio_seconds == pytest.approx(15 * good.audio_seconds)
    assert client.get_statistics()[0].batches > 5
    # The model hears each reading of the sentence with other neighbours, so not letter by letter the same.
    assert 13 <= sum(word == "NOTHING" for word in long.text.split()) <= 17
    assert len(long.text) == pytest.approx(15 * (len(good.text) + 1), rel=0.05)


def test_a_silent_stretch_of_a_long_recording_says_nothing(odd_files: Path, start_service: Start) -> None:
    speech = read_audio(odd_files / "good.flac")
    silence = np.zeros(80 * 16_000, np.float32)
    soundfile.write(odd_files / "pause.wav", np.concatenate([speech, silence, speech]), 16_000)
    _, client = start_service(workspace=odd_files)
    (answer,) = transcribe(
        client, [TranscribeClip(0, path="pause.wav")], TranscribeStart("tiny", 1, words=True)
    ).values()
    assert isinstance(answer, Transcript)
    assert {word.start > 80 for word in answer.words} == {True, False}
    assert not [word for word in answer.words if 8 < word.start < 80]
    assert client.get_statistics()[0].audio_seconds < 60


@pytest.mark.parametrize(("name", "version"), [("nobody", 1), ("tiny", 9), ("../models/tiny", 1)])
def test_an_unknown_model_is_an_error(name: str, version: int, client: InferenceClient) -> None:
    with pytest.raises(UnknownModel):
        list(client.transcribe(TranscribeStart(name, version), by_path(range(1))))


def test_a_damaged_model_is_an_error_and_the_service_goes_on(own_store: Path, start_service: Start) -> None:
    (own_store / "grouped" / "1" / "model.onnx").write_bytes(b"damaged")
    _, client = start_service(state=own_store.parent)
    with pytest.raises(DataError, match="missing or damaged"):
        list(client.transcribe(TranscribeStart("grouped", 1), by_path(range(1))))
    assert texts(transcribe(client, by_path(range(1))))


def test_streams_of_several_callers_are_served_side_by_side(start_service: Start) -> None:
    _, client = start_service(queue_seconds=30.0)
    expected = texts(transcribe(client, by_path(range(10))))
    found: list[dict[int, str]] = []
    callers = [
        threading.Thread(target=lambda: found.append(texts(transcribe(client, by_path(range(10)))))) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert found == [expected] * 4


def test_a_short_stream_does_not_wait_for_a_long_one(start_service: Start) -> None:
    _, client = start_service()
    transcribe(client, by_path(range(1)))
    done: list[str] = []

    def bulk() -> None:
        transcribe(client, [TranscribeClip(n, path=f"{FOLDER}/{n % 100:03d}.flac") for n in range(60)])
        done.append("bulk")

    caller = threading.Thread(target=bulk)
    caller.start()
    wait_until(lambda: client.get_statistics()[0].clips > 5)
    transcribe(client, by_path(range(2)))
    done.append("short")
    caller.join(60)
    assert done == ["short", "bulk"]


def test_a_sender_that_is_ahead_is_held_back(start_service: Start, checkout: Path) -> None:
    _, client = start_service(queue_seconds=10.0)
    audio = (checkout / FOLDER / "000.flac").read_bytes()
    sent = 0

    def clips() -> Iterator[TranscribeClip]:
        nonlocal sent
        for number in range(400):
            sent += 1
            yield TranscribeClip(number, audio=audio)

    answers = client.transcribe(TINY, clips())
    next(answers)
    # Some megabytes fit into the buffers of the connection, at 80 kB a clip.
    time.sleep(1)
    answered = client.get_statistics()[0].clips
    assert sent < answered + 200
    answers.close()  # type: ignore[attr-defined]


def test_a_caller_who_leaves_takes_his_clips_with_him(start_service: Start) -> None:
    _, client = start_service(workers=1)
    clips = [TranscribeClip(number, path=f"{FOLDER}/{number % 100:03d}.flac") for number in range(400)]
    answers = client.transcribe(TINY, clips)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    time.sleep(0.5)
    batches = client.get_statistics()[0].batches
    time.sleep(0.5)
    assert client.get_statistics()[0].batches == batches < 100
    assert texts(transcribe(client, by_path(range(1))))


def test_stopping_lets_streams_in_flight_end(start_service: Start) -> None:
    server, client = start_service(grace=20.0)
    answers = client.transcribe(TINY, by_path(range(10)))
    first = next(answers)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    rest = list(answers)
    stopper.join(20)
    assert len({answer.id for answer in (first, *rest)}) == 10


def test_streams_that_outlast_the_grace_end_as_unavailable(start_service: Start) -> None:
    server, client = start_service()
    clips = [TranscribeClip(number, path=f"{FOLDER}/{number % 100:03d}.flac") for number in range(1000)]
    answers = client.transcribe(TINY, clips)
    next(answers)
    stopper = threading.Thread(target=server.stop, args=(0.2,))
    stopper.start()
    with pytest.raises(Unavailable):
        list(answers)
    stopper.join(10)
    assert not stopper.is_alive()
