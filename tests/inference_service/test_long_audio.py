"""An hour of speech, through the service in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from thanosql.clients import InferenceClient
from thanosql.types import TranscribeClip, TranscribeStart, Transcript

FOLDER = "tutorial_data/librispeech_data"
START = TranscribeStart("tiny", 1, words=True)


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_a_few_minutes(
    start_process: Callable[..., tuple[Any, InferenceClient]], checkout: Path, tmp_path: Path
) -> None:
    speech, rate = soundfile.read(checkout / FOLDER / "000.flac", dtype="float32")
    for name, seconds in (("minutes.flac", 300), ("hour.flac", 3600)):
        with soundfile.SoundFile(tmp_path / name, "w", rate, 1) as file:
            for _ in range(round(seconds * rate / len(speech))):
                file.write(speech)
    process, client = start_process(workspace=tmp_path)

    def transcribe(name: str) -> tuple[Transcript, int]:
        """What it says, and the most memory that the service had meanwhile."""
        peak, done = 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.05):
                peak = max(peak, process.resident_bytes)

        watcher = threading.Thread(target=watch)
        watcher.start()
        (answer,) = client.transcribe(START, [TranscribeClip(0, path=name)])
        done.set()
        watcher.join()
        assert isinstance(answer, Transcript)
        return answer, peak

    transcribe("minutes.flac")
    minutes, before = transcribe("minutes.flac")
    hour, peak = transcribe("hour.flac")
    print(f"{before / 2**20:.0f} MiB for five minutes, {peak / 2**20:.0f} MiB for an hour")
    # The samples alone of an hour are 220 MiB.
    assert peak < before + 60 * 2**20
    assert hour.audio_seconds == pytest.approx(3600, abs=len(speech) / rate)
    assert len(hour.words) == pytest.approx(12 * len(minutes.words), rel=0.05)
    assert hour.text == " ".join(word.word for word in hour.words)
    times = [time for word in hour.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 3590 < times[-1] <= hour.audio_seconds
    assert all(0 <= word.confidence <= 1 for word in hour.words)
    assert hour.confidence == pytest.approx(sum(word.confidence for word in hour.words) / len(hour.words))
