"""Transcribes single recordings: refuses at the door what cannot be done, queues the pieces, joins what comes back."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from inference_service.config import InferenceConfig
from inference_service.models.models import LoadedModel
from inference_service.monitoring.outcomes import recorded
from inference_service.planning.plan import waiting_seconds
from inference_service.scheduling.admission import Admission, check_request
from inference_service.speech.audio import PIECE_SECONDS, Piece, Span, cut_pieces
from inference_service.speech.beam import choose_decoder
from inference_service.speech.decode import FrameScores, blank_frames, join_frames, read_frames
from inference_service.speech.hand_back import hand_back
from thanosql.errors import TimedOut
from thanosql.types import Priority, Transcript

T = TypeVar("T")

Samples = NDArray[np.float32]

PIECES_AHEAD = 16
"""Pieces of one recording that are in the queue at once: they fill a GPU's batches, and bound what an hour holds."""
BYTES_PER_SECOND = 32_000
"""Of audio whose header is not read yet: 16-bit wav at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The answer to a single request."""

    transcript: Transcript
    log_probs: NDArray[np.float32] | None = None
    """`[frames, vocabulary]` of the whole recording, where they were asked for."""


class Transcriber:
    """Answers single requests with one model; used on one event loop. `Transcribers` makes it.

    Every request is recorded in the model's figures. A request whose task is cancelled is given up at once.

    Args:
        model: What transcribes.
        admissions: What waits for it, by class.
        readers: Threads that read and decode audio.
        max_seconds: Longer recordings are refused.
        clock: The batcher's, by which deadlines are given.
    """

    def __init__(
        self,
        model: LoadedModel,
        admissions: dict[Priority, Admission],
        *,
        readers: Executor,
        max_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._admissions, self._readers = model, admissions, readers
        self._max_seconds, self._clock = max_seconds, clock

    async def transcribe_samples(
        self,
        samples: Samples,
        *,
        priority: Priority,
        deadline: float = math.inf,
        words: bool = False,
        log_probs: bool = False,
    ) -> Transcribed:
        """Transcribes float32 `[samples]` at the model's rate.

        Args:
            samples: A whole recording.
            priority: The class whose share it is computed on.
            deadline: On the clock: `time.monotonic()`.
            words: Word times and confidences are wanted.
            log_probs: They are wanted.

        Raises:
            AudioError: too short, too long, silent or not finite.
            Overloaded: refused at the door; `retry_after` says when to come again.
            TimedOut: the deadline is past.
            Unavailable: the service is stopping.
        """
        from thanosql.audio import check_samples

        rate = self._model.description.sample_rate
        place = self._let_in(len(samples) / rate, priority, deadline)
        with recorded(self._model.figures, priority, self._clock), place:
            # Not before: what is refused shall cost next to nothing.
            check_samples(samples, sample_rate=rate, max_seconds=self._max_seconds)
            return await self._transcribe([samples], priority, deadline, words, log_probs)

    async def transcribe_audio(
        self,
        audio: bytes,
        *,
        priority: Priority,
        deadline: float = math.inf,
        words: bool = False,
        log_probs: bool = False,
    ) -> Transcribed:
        """Transcribes a whole wav, flac, mp3 or ogg file. Arguments and errors are those of `transcribe_samples`.

        Raises:
            AudioError: also where it cannot be read.
        """
        from thanosql.audio import read_blocks, read_header

        rate = self._model.description.sample_rate
        with recorded(self._model.figures, priority, self._clock):
            with self._let_in(0.0, priority, deadline, held=len(audio) / BYTES_PER_SECOND):
                header = await self._in_thread(lambda: read_header(audio))
            # A longer one is refused by `read_blocks`, in words that name the limit.
            with self._let_in(min(header.seconds, self._max_seconds), priority, deadline):
                blocks = read_blocks(audio, sample_rate=rate, max_seconds=self._max_seconds)
                return await self._transcribe(blocks, priority, deadline, words, log_probs)

    @contextmanager
    def _let_in(self, seconds: float, priority: Priority, deadline: float, held: float | None = None) -> Iterator[None]:
        """Holds a place in the queue of the class while the block runs; refuses where there is none.

        Args:
            seconds: Of the recording, as far as they are known.
            priority: Its class.
            deadline: On the clock.
            held: What it takes of the queue, where that is not `seconds`.

        Raises:
            Overloaded: there is no room, or the deadline cannot be met.
            TimedOut: the deadline is past.
        """
        now = self._clock()
        if deadline <= now:
            raise TimedOut("the deadline was past when the request came")
        admission = self._admissions[priority]
        check_request(
            self._model.batcher.forecast(priority, self._stream(priority), seconds, let_in=admission.let_in_seconds),
            has_room=admission.has_room(seconds),
            remaining=deadline - now,
            model=self._model.description.name,
        )
        held = seconds if held is None else held
        admission.take(held)
        try:
            yield
        finally:
            admission.give_back(held)

    def _stream(self, priority: Priority) -> Hashable:
        """All single requests of a class take turns as one stream."""
        return self._admissions[priority]

    async def _transcribe(
        self, blocks: Iterable[Samples], priority: Priority, deadline: float, words: bool, log_probs: bool
    ) -> Transcribed:
        model = self._model.description
        decoder = choose_decoder(model, self._model.language)
        pieces = cut_pieces(blocks, sample_rate=model.sample_rate, frame_samples=model.frame_samples)
        # What is at hand and one piece needs no thread, which would cost more than the work.
        is_at_hand = isinstance(blocks, list) and len(blocks[0]) <= PIECE_SECONDS * model.sample_rate
        spans: list[Span] = []
        frames: list[asyncio.Future[FrameScores]] = []
        stream = self._stream(priority)
        try:
            async with asyncio.timeout(None if deadline == math.inf else max(0.0, deadline - self._clock())):
                while not spans or not spans[-1].is_last:
                    piece = next(pieces) if is_at_hand else await self._in_thread(lambda: next(pieces))
                    spans.append(piece.span)
                    frames.append(
                        submit_piece(
                            self._model,
                            stream,
                            piece,
                            priority=priority,
                            deadline=deadline,
                            log_probs=log_probs or decoder is not None,
                        )
                    )
                    ahead = [each for each in frames if not each.done()]
                    if len(ahead) >= PIECES_AHEAD:
                        await asyncio.wait(ahead, return_when=asyncio.FIRST_COMPLETED)
                results = await asyncio.gather(*frames) if len(frames) > 1 else [await frames[0]]
                computed = list(zip(spans, results, strict=True))
        except TimeoutError:
            raise TimedOut("the recording was not transcribed by the deadline") from None
        finally:
            for each in frames:
                each.cancel()

        def read() -> Transcribed:
            joined = join_frames(computed, model)
            seconds = spans[-1].end / model.sample_rate
            transcript = read_frames(0, joined, seconds, model, words=words, read=decoder)
            return Transcribed(transcript, joined.log_probs if log_probs else None)

        return read() if is_at_hand and decoder is None else await self._in_thread(read)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)


class Transcribers:
    """Gives a transcriber for each model, and keeps the account of what waits for it; one for an event loop.

    Args:
        config: The bounds.
        readers: Threads that read and decode audio.
        clock: The batchers'.
    """

    def __init__(self, config: InferenceConfig, readers: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._readers, self._clock = config, readers, clock
        self._admissions: WeakKeyDictionary[LoadedModel, dict[Priority, Admission]] = WeakKeyDictionary()

    def of(self, model: LoadedModel) -> Transcriber:
        """What answers single requests with `model`, while it is entered."""
        return Transcriber(
            model,
            self.admissions(model),
            readers=self._readers,
            max_seconds=self._config.max_audio_seconds,
            clock=self._clock,
        )

    def admissions(self, model: LoadedModel) -> dict[Priority, Admission]:
        """How much of each class waits for `model`, or is being computed: what a full machine computes may be more."""
        if model not in self._admissions:
            computed = model.plan.concurrent_seconds
            self._admissions[model] = {
                Priority.BULK: Admission((self._config.queue_seconds or waiting_seconds(model.plan)) + computed),
                Priority.INTERACTIVE: Admission(self._config.interactive_queue_seconds + computed),
            }
        return self._admissions[model]


def submit_piece(
    model: LoadedModel,
    stream: Hashable,
    piece: Piece,
    *,
    priority: Priority,
    deadline: float = math.inf,
    max_rows: int = 0,
    log_probs: bool = False,
) -> asyncio.Future[FrameScores]:
    """Queues a piece of a recording; one without sound is answered here."""
    from thanosql.audio import is_silent

    if is_silent(piece.samples) or len(piece.samples) < model.description.minimum_samples:
        silence: asyncio.Future[FrameScores] = asyncio.get_running_loop().create_future()
        silence.set_result(blank_frames(piece.span, model.description, log_probs=log_probs))
        return silence
    return hand_back(
        model.batcher.submit(
            stream, piece.samples, priority=priority, deadline=deadline, max_rows=max_rows, log_probs=log_probs
        )
    )
