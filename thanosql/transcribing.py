"""Recordings of the caller's, one or many, sent to be transcribed; the transcripts come in their order."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thanosql.errors import AudioError, DataError, InternalError, NotFound, ThanoSQLError
from thanosql.types import ClipFailure, TranscribeClip, TranscribeStart, Transcript
from thanosql.waves import is_array, write_wave

if TYPE_CHECKING:
    from thanosql.clients import QueryClient

ONE_SECONDS = 600.0
"""Within which a single recording must be transcribed, where nothing else is said."""
LARGEST_CLIP = (8 << 20) - (64 << 10)
"""Bytes of a recording: as many as a server takes in one message, unless it is told otherwise."""
MOST_AHEAD, MOST_BYTES_AHEAD = 256, 64 << 20
"""Recordings, and their bytes, that are on their way or whose transcripts wait to be taken."""


def is_one(what: object) -> bool:
    """Whether something is one recording, and not many: a path, the bytes of a file, samples."""
    return isinstance(what, str | PathLike | bytes | bytearray | memoryview) or is_array(what)


def transcribe_one(
    client: QueryClient, start: TranscribeStart, what: Any, sample_rate: int | None, timeout: float
) -> Transcript:
    """What is said in one recording; see `Session.transcribe`."""
    clip = TranscribeClip(0, audio=read_recording(what, sample_rate))
    over = threading.Event()

    def clips() -> Iterator[TranscribeClip]:
        yield clip
        over.wait(timeout)

    try:
        with closing(client.transcribe(start, clips(), timeout=timeout)) as answers:
            for answer in answers:
                if isinstance(answer, ClipFailure):
                    raise AudioError(answer.message, reason=answer.reason)
                return answer
    finally:
        over.set()
    raise InternalError("query_service ended the call without an answer", hint="Is it a newer release?")


def transcribe_many(
    client: QueryClient,
    start: TranscribeStart,
    recordings: Iterable[Any],
    sample_rate: int | None,
    timeout: float | None,
) -> Generator[Transcript | ClipFailure]:
    """What is said in many recordings, in their order; see `Session.transcribe`."""
    sending = _Sending(recordings, sample_rate)
    waiting: dict[int, Transcript | ClipFailure] = {}
    next_ = 0
    try:
        with closing(client.transcribe(start, sending.clips(), timeout=timeout)) as answers:
            for answer in answers:
                waiting[answer.id] = answer
                waiting.update(sending.take_failures())
                while next_ in waiting:
                    yield waiting.pop(next_)
                    sending.free(next_)
                    next_ += 1
        waiting.update(sending.take_failures())
        while next_ in waiting:
            yield waiting.pop(next_)
            next_ += 1
    except ThanoSQLError:
        if sending.failure is None:
            raise
    finally:
        sending.stop()
    if sending.failure is not None:
        raise sending.failure


def read_recording(what: Any, sample_rate: int | None = None) -> bytes:
    """A recording as the bytes of a file.

    Raises:
        NotFound: there is no file at that path.
        AudioError: it is too large, or no recording.
    """
    if isinstance(what, str | PathLike):
        path = Path(what)
        try:
            # Not read where it is too large anyhow.
            size = path.stat().st_size
            audio = path.read_bytes() if size <= LARGEST_CLIP else b""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "The path is one of this machine; of files in the workspace, PREDICT gives the transcripts."
            raise NotFound(f"the recording {str(what)!r} cannot be read: {reason}", hint=hint) from None
    elif isinstance(what, bytes | bytearray | memoryview):
        audio = bytes(what)
        size = len(audio)
    elif is_array(what):
        if sample_rate is None:
            message = "samples are given without their rate"
            raise AudioError(
                message, reason="unreadable", hint="Give it: transcribe(samples, model, sample_rate=16000)."
            )
        audio = write_wave(what, sample_rate)
        size = len(audio)
    else:
        raise AudioError(
            f"a {type(what).__name__} is no recording",
            reason="unreadable",
            hint="Give a path, the bytes of a file, or samples (an array, a tensor, a list of numbers).",
        )
    if size > LARGEST_CLIP:
        message = f"the recording has {size / 2**20:.1f} MiB, more than the {LARGEST_CLIP / 2**20:.1f} that can be sent"
        hint = "Send it with session.upload, and have it transcribed by PREDICT; FLAC and MP3 are smaller."
        raise AudioError(message, reason="too large", hint=hint)
    return audio


class _Sending:
    """Many recordings on their way: read in a thread of gRPC's, no further ahead than there is room for.

    Args:
        recordings: Read one after the other.
        sample_rate: Of samples.
    """

    def __init__(self, recordings: Iterable[Any], sample_rate: int | None) -> None:
        self._recordings, self._sample_rate = recordings, sample_rate
        self._room = threading.Condition()
        self._ahead: dict[int, int] = {}
        self._failures: dict[int, ClipFailure] = {}
        self._is_stopped = False
        self.failure: Exception | None = None
        """What the recordings' own source raised."""

    def clips(self) -> Iterator[TranscribeClip]:
        """What is sent; ends early where the source raises, which `failure` tells then."""
        number = -1
        try:
            for number, each in enumerate(self._recordings):
                try:
                    audio = read_recording(each, self._sample_rate)
                except (NotFound, DataError) as error:
                    reason = error.reason if isinstance(error, AudioError) else "missing"
                    self._fail(ClipFailure(number, reason, error.message))
                    continue
                if not self._wait_for_room(number, len(audio)):
                    return
                yield TranscribeClip(number, audio=audio)
        except Exception as error:
            self.failure = error

    def free(self, number: int) -> None:
        """The answer of a recording was taken."""
        with self._room:
            self._ahead.pop(number, None)
            self._room.notify()

    def take_failures(self) -> dict[int, ClipFailure]:
        """Those recordings that could not be read, once."""
        with self._room:
            failures, self._failures = self._failures, {}
        return failures

    def stop(self) -> None:
        """Nothing more is sent."""
        with self._room:
            self._is_stopped = True
            self._room.notify()

    def _fail(self, failure: ClipFailure) -> None:
        with self._room:
            self._failures[failure.id] = failure

    def _wait_for_room(self, number: int, size: int) -> bool:
        """Whether the recording is to be sent."""
        with self._room:
            while not self._is_stopped and not self._has_room(size):
                self._room.wait()
            self._ahead[number] = size
            return not self._is_stopped

    def _has_room(self, size: int) -> bool:
        return not self._ahead or (
            len(self._ahead) < MOST_AHEAD and sum(self._ahead.values()) + size <= MOST_BYTES_AHEAD
        )
