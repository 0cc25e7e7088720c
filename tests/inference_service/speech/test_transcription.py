"""Single requests, answered with the real model and no server."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from inference_service.config import InferenceConfig
from inference_service.models.models import LoadedModel, Models
from inference_service.monitoring.figures import Outcome
from inference_service.speech.transcription import Transcriber, Transcribers
from thanosql.audio import read_audio
from thanosql.errors import AudioError, Overloaded, TimedOut
from thanosql.types import Priority

T = TypeVar("T")

Run = Callable[[Callable[[Transcriber], Coroutine[Any, Any, T]]], T]

FOLDER = "tutorial_data/librispeech_data"
BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


@pytest.fixture
def model(store: Path) -> Iterator[LoadedModel]:
    models = Models(InferenceConfig(state=store.parent, device="cpu"))
    yield models.enter("tiny", 1)
    models.close()


@pytest.fixture
def run(model: LoadedModel) -> Iterator[Run[Any]]:
    """Runs a coroutine with a transcriber on an event loop of its own."""
    readers = ThreadPoolExecutor(2)

    def go(work: Callable[[Transcriber], Coroutine[Any, Any, T]]) -> T:
        async def scenario() -> T:
            config = InferenceConfig(queue_seconds=60.0, interactive_queue_seconds=20.0)
            return await work(Transcribers(config, readers).of(model))

        return asyncio.run(scenario())

    yield go
    readers.shutdown()


@pytest.fixture
def clip(checkout: Path) -> Path:
    return checkout / FOLDER / "000.flac"


def test_samples_and_bytes_say_the_same(run: Run[Any], clip: Path) -> None:
    samples = read_audio(clip)
    from_samples = run(lambda t: t.transcribe_samples(samples, priority=BULK, words=True))
    from_bytes = run(lambda t: t.transcribe_audio(clip.read_bytes(), priority=INTERACTIVE, words=True))
    assert from_samples.transcript == from_bytes.transcript
    assert len(from_samples.transcript.words) > 3
    assert from_samples.transcript.audio_seconds == len(samples) / 16_000


def test_a_long_recording_is_cut_and_joined(run: Run[Any], clip: Path) -> None:
    long = np.tile(read_audio(clip), 9)
    transcript = run(lambda t: t.transcribe_samples(long, priority=BULK)).transcript
    assert transcript.audio_seconds == len(long) / 16_000
    assert 8 <= sum(word == "NOTHING" for word in transcript.text.split()) <= 10


def test_log_probabilities_are_of_the_whole_recording_and_agree_with_the_text(
    run: Run[Any], model: LoadedModel, clip: Path
) -> None:
    from thanosql.ctc import decode_text

    long = np.tile(read_audio(clip), 5)
    answer = run(lambda t: t.transcribe_samples(long, priority=BULK, log_probs=True))
    frames = (len(long) - 400) // 320 + 1
    assert answer.log_probs.shape == (frames, len(model.description.vocabulary))
    assert np.exp(answer.log_probs).sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert decode_text(answer.log_probs.argmax(axis=1), model.description) == answer.transcript.text


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "too short"),
        (np.zeros(16_000, np.float32), "silent"),
        (np.full(16_000, np.nan, np.float32), "not finite"),
        (np.r_[np.ones(16_000), -np.inf].astype(np.float32), "not finite"),
        (np.broadcast_to(np.float32(0.1), (5 * 3600 * 16_000,)), "too long"),
    ],
)
def test_bad_samples_are_refused_and_recorded(
    samples: np.ndarray, reason: str, run: Run[Any], model: LoadedModel
) -> None:
    with pytest.raises(AudioError) as caught:
        run(lambda t: t.transcribe_samples(samples, priority=BULK))
    assert caught.value.reason == reason
    assert model.figures.sums.requests == {(Outcome.FAILED, BULK, reason): 1}


def test_bytes_that_are_no_recording_are_refused(run: Run[Any], model: LoadedModel) -> None:
    with pytest.raises(AudioError, match="the audio that was sent"):
        run(lambda t: t.transcribe_audio(b"no recording", priority=BULK))
    assert model.figures.sums.requests == {(Outcome.FAILED, BULK, "unreadable"): 1}


def test_too_many_at_once_are_refused_at_the_door_and_the_others_answered(
    run: Run[Any], model: LoadedModel, clip: Path
) -> None:
    samples = read_audio(clip)

    async def flood(transcriber: Transcriber) -> list[Any]:
        many = (transcriber.transcribe_samples(samples, priority=INTERACTIVE) for _ in range(30))
        return await asyncio.gather(*many, return_exceptions=True)

    answers = run(flood)
    refused = [each for each in answers if isinstance(each, Overloaded)]
    fits = math.ceil((20.0 + model.plan.concurrent_seconds) / (len(samples) / 16_000))
    assert len(answers) - len(refused) == fits
    assert all(each.retry_after and each.reason == "queue full" for each in refused)
    assert model.figures.sums.requests == {
        (Outcome.SUCCESS, INTERACTIVE, ""): fits,
        (Outcome.REJECTED, INTERACTIVE, "queue full"): 30 - fits,
    }


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits(run: Run[Any], clip: Path) -> None:
    long = np.tile(read_audio(clip), 9)
    assert run(lambda t: t.transcribe_samples(long, priority=INTERACTIVE)).transcript.text


def test_a_request_whose_deadline_is_past_is_late(run: Run[Any], model: LoadedModel, clip: Path) -> None:
    samples = read_audio(clip)
    with pytest.raises(TimedOut):
        run(lambda t: t.transcribe_samples(samples, priority=BULK, deadline=time.monotonic() - 1))
    assert model.figures.sums.requests == {(Outcome.LATE, BULK, ""): 1}


def test_a_request_that_is_given_up_leaves_nothing_behind(run: Run[Any], model: LoadedModel, clip: Path) -> None:
    long = np.tile(read_audio(clip), 200)

    async def give_up(transcriber: Transcriber) -> None:
        task = asyncio.create_task(transcriber.transcribe_samples(long, priority=BULK))
        while not model.batcher.waiting_seconds:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(give_up)
    assert model.batcher.waiting_seconds == 0
    assert model.figures.sums.requests == {(Outcome.CANCELLED, BULK, ""): 1}
