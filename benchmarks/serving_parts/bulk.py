"""Bulk load over the service's own API: one stream of clips, by path, as PREDICT sends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from serving_parts.speech import Recording
from thanosql.clients import InferenceClient
from thanosql.rpc.channel import open_channel
from thanosql.types import ClipFailure, ModelStatistics, Priority, TranscribeClip, TranscribeStart


@dataclass(frozen=True)
class BulkAnswers:
    """What came of a stream."""

    seconds: float
    """From the first clip sent to the last answer."""
    clips: int
    audio_seconds: float
    """Of the clips that were answered with a transcript."""


def transcribe(
    address: str,
    model: str,
    recordings: Iterable[Recording],
    *,
    in_flight: int = 0,
    until: threading.Event | None = None,
    priority: Priority = Priority.BULK,
) -> BulkAnswers:
    """Sends recordings and reads every answer.

    Args:
        address: The service's.
        model: Its name.
        recordings: May be endless, with `until`.
        in_flight: The most that are sent and not answered; 0: as many as the server takes in.
        until: When set, the stream is given up.
        priority: Of the stream.

    Raises:
        RuntimeError: a recording was answered with a failure.
    """
    room = threading.Semaphore(in_flight or 1_000_000)
    ended = threading.Event()

    def clips() -> Iterator[TranscribeClip]:
        for number, recording in enumerate(recordings):
            while not room.acquire(timeout=0.2):
                if ended.is_set():
                    return
            if ended.is_set():
                return
            yield TranscribeClip(number, path=recording.path)

    count, audio_seconds, begin = 0, 0.0, time.perf_counter()
    with open_channel(address) as channel:
        start = TranscribeStart(model, 1, priority=priority)
        answers = InferenceClient(channel).transcribe(start, clips())
        try:
            for answer in answers:
                room.release()
                if isinstance(answer, ClipFailure):
                    raise RuntimeError(f"clip {answer.id} was answered with a failure: {answer.message}")
                count += 1
                audio_seconds += answer.audio_seconds
                if until is not None and until.is_set():
                    break
        finally:
            ended.set()
            answers.close()  # type: ignore[attr-defined]
    return BulkAnswers(time.perf_counter() - begin, count, audio_seconds)


def load(address: str, model: str, recordings: Sequence[Recording]) -> float:
    """Has a model loaded and calibrated by asking for two recordings; how many seconds that took."""
    return transcribe(address, model, recordings[:2]).seconds


@contextmanager
def bulk_load(address: str, model: str, recordings: Sequence[Recording], *, in_flight: int) -> Iterator[None]:
    """An endless bulk stream with so many rows in flight, while the block lasts.

    Raises:
        RuntimeError: the stream ended by itself.
    """
    over, failures = threading.Event(), list[BaseException]()

    def endless() -> Iterator[Recording]:
        while not over.is_set():
            yield from recordings

    def send() -> None:
        try:
            transcribe(address, model, endless(), in_flight=in_flight, until=over)
        except BaseException as error:
            failures.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
    if failures:
        raise RuntimeError(f"the bulk stream failed: {failures[0]}") from failures[0]


def get_statistics(address: str, model: str) -> ModelStatistics:
    """What the service says of a model."""
    with open_channel(address) as channel:
        return InferenceClient(channel).get_statistics(model, 1)[0]


def describe_plan(statistics: ModelStatistics) -> str:
    """The plan in a few words."""
    plan = statistics.plan
    if plan is None:
        return "no plan"
    return (
        f"{plan.engine} {plan.precision}, {plan.workers} × {plan.threads} threads, "
        f"batches up to {plan.batch_seconds:g} s and {plan.batch_rows} rows"
    )
