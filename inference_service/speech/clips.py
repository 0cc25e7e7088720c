"""Transcribes the clips of one stream: reads and cuts them in threads, queues the pieces, joins what comes back."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from inference_service.models.models import LoadedModel
from inference_service.monitoring.outcomes import recorded
from inference_service.scheduling.admission import Admission
from inference_service.speech.audio import Piece, Span, cut_pieces
from inference_service.speech.decode import FrameScores, ReadFrames, make_transcript
from inference_service.speech.transcription import submit_piece
from thanosql.errors import AudioError, NotFound, PathRefused, ThanoSQLError
from thanosql.types import ClipFailure, TranscribeClip, TranscribeStart, Transcript
from thanosql.workspace import existing_file

T = TypeVar("T")

Answer = Transcript | ClipFailure

READ_AHEAD = 2
"""Clips that are read or wait for room in the queue, for each thread that reads."""
MOST_UNANSWERED = 512
"""Clips of a stream that are taken in and not yet sent back; a caller who does not listen is held back."""


class ClipStream:
    """One stream's clips, its options and its place in the model's queue.

    Args:
        model: What transcribes.
        admission: The bound of the model's queue, for the class of the stream.
        start: What the caller wants.
        readers: Threads that read and decode audio.
        reader_count: How many they are.
        workspace: Folder that paths are relative to.
        max_seconds: Longer recordings are refused.
        read: How the frames are read; None: greedily.
        deadline: Of every clip, on the clock.
        clock: The batcher's.
    """

    def __init__(
        self,
        model: LoadedModel,
        admission: Admission,
        start: TranscribeStart,
        *,
        readers: Executor,
        reader_count: int,
        workspace: Path,
        max_seconds: float,
        read: ReadFrames | None = None,
        deadline: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._admission, self._start = model, admission, start
        self._deadline, self._clock, self._read_frames = deadline, clock, read
        self._readers, self._workspace, self._max_seconds = readers, workspace, max_seconds
        self._reading = asyncio.Semaphore(READ_AHEAD * reader_count)
        self._unanswered = asyncio.Semaphore(MOST_UNANSWERED)
        self._answers: asyncio.Queue[Answer | BaseException | None] = asyncio.Queue()

    async def transcribe(self, clips: AsyncIterator[TranscribeClip]) -> AsyncIterator[Answer]:
        """The answers, as they are done. Ended early, it takes back at once what is queued or being computed."""
        self._admission.open(self)
        taking_in = asyncio.create_task(self._take_in(clips))
        try:
            while (answer := await self._answers.get()) is not None:
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
                self._unanswered.release()
        finally:
            self._model.batcher.withdraw(self)
            self._admission.close(self)
            taking_in.cancel()
            await asyncio.gather(taking_in, return_exceptions=True)

    async def _take_in(self, clips: AsyncIterator[TranscribeClip]) -> None:
        """Starts a task for each clip, no faster than there is room; ends with the last answer, or the first error."""
        try:
            async with asyncio.TaskGroup() as group:
                async for clip in clips:
                    await self._unanswered.acquire()
                    await self._reading.acquire()
                    group.create_task(self._answer(clip))
        except BaseExceptionGroup as errors:
            self._answers.put_nowait(errors.exceptions[0])
        else:
            self._answers.put_nowait(None)

    async def _answer(self, clip: TranscribeClip) -> None:
        answer: Answer
        try:
            with recorded(self._model.figures, self._start.priority, self._clock):
                answer = await self._compute(clip)
        except AudioError as error:
            answer = _failure(clip, error.reason, error)
        except PathRefused as error:
            answer = _failure(clip, "path refused", error)
        except NotFound as error:
            answer = _failure(clip, "missing", error)
        self._answers.put_nowait(answer)

    async def _compute(self, clip: TranscribeClip) -> Transcript:
        """Reads a piece when there was room for the one before it, and joins what comes back."""
        spans: list[Span] = []
        frames: list[asyncio.Future[FrameScores]] = []
        try:
            try:
                pieces = self._read(clip)
                while not spans or not spans[-1].is_last:
                    piece = await self._in_thread(lambda: next(pieces))
                    spans.append(piece.span)
                    frames.append(await self._queue(piece))
            finally:
                self._reading.release()
            computed = list(zip(spans, await asyncio.gather(*frames), strict=True))
        except BaseException:
            for each in frames:
                each.cancel()
            raise
        return await self._in_thread(
            lambda: make_transcript(
                clip.id, computed, self._model.description, words=self._start.words, read=self._read_frames
            )
        )

    def _read(self, clip: TranscribeClip) -> Iterator[Piece]:
        """The clip's pieces; the disk is touched when the first one is asked for."""
        from thanosql.audio import read_blocks

        model = self._model.description
        if clip.audio is not None:
            source: Path | bytes = clip.audio
        elif clip.path is not None:
            source = existing_file(self._workspace, clip.path)
        else:
            raise AudioError(f"clip {clip.id} has neither a path nor audio", reason="missing")
        blocks = read_blocks(source, sample_rate=model.sample_rate, max_seconds=self._max_seconds, name=clip.path or "")
        yield from cut_pieces(blocks, sample_rate=model.sample_rate, frame_samples=model.frame_samples)

    async def _queue(self, piece: Piece) -> asyncio.Future[FrameScores]:
        """Waits for room, and queues the piece."""
        seconds = len(piece.samples) / self._model.description.sample_rate
        await self._admission.enter(self, seconds)
        future = submit_piece(
            self._model,
            self,
            piece,
            priority=self._start.priority,
            deadline=self._deadline,
            max_rows=self._start.batch_size,
            log_probs=self._read_frames is not None,
        )
        future.add_done_callback(lambda _: self._admission.leave(self, seconds))
        return future

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


def _failure(clip: TranscribeClip, reason: str, error: ThanoSQLError) -> ClipFailure:
    return ClipFailure(clip.id, reason, f"{error.message}. {error.hint}" if error.hint else error.message)
