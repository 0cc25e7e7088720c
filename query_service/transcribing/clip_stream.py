"""The stream of clips to inference_service: its answers, and what other statements tell, in one order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from itertools import chain

from query_service.running.work import Work
from query_service.transcribing.clip_sender import ClipSender
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.letters import Known, Letter, Released, StreamEnded
from query_service.transcribing.mailbox import Mailbox
from query_service.transcribing.recordings import Failure, Recordings, Result
from query_service.transcribing.transcript_cache import TranscriptCache
from thanosql.errors import DataError
from thanosql.types import AudioKey, CachedTranscript, ClipFailure, TranscribeStart, Transcript

STOP_SECONDS = 2.0
"""For which the threads of a stream that was cut off are waited for."""


class ClipStream:
    """Has recordings transcribed; closed at any time, it frees the model at once and keeps what was heard.

    The answers are taken by a thread of their own, so that other statements that wait for one of them get it though
    the reader of this one's rows may be slow.

    Args:
        work: The statement.
        start: Opens the stream.
        hearing: How the recordings are heard.
        recordings: All of the step.
        cache: Where transcripts are looked up by content, and kept.
        shares: Whether a recording that another statement is having transcribed is waited for.
    """

    def __init__(
        self,
        work: Work,
        start: TranscribeStart,
        hearing: Hearing,
        recordings: Recordings,
        cache: TranscriptCache,
        *,
        shares: bool,
    ) -> None:
        self._work, self._start, self._hearing, self._recordings, self._cache = work, start, hearing, recordings, cache
        self._mailbox: Mailbox[Letter] = Mailbox()
        # Channels of its own: to close them cuts off this stream, and no other call of the statement.
        self._services = work.services.another()
        self._sender = ClipSender(
            work, self._services, hearing, recordings, cache, shares=shares, mailbox=self._mailbox
        )
        self._thread: threading.Thread | None = None
        work.cancellation.when_cancelled(self._cut_off)

    def results(self, numbers: Iterable[int]) -> Iterator[Known]:
        """What becomes of recordings, as it is known; each is in `recordings.results` when it comes.

        Raises:
            DataError: the server ended the stream without an answer for all.
        """
        self._sender.to_send.extend(numbers)
        while True:
            if self._thread is None and self._sender.to_send:
                self._begin()
            elif self._thread is None and not self._sender.awaited:
                return
            letter = self._mailbox.take()
            if letter is None:
                self._work.cancellation.check()
                return
            yield from self._read(letter)

    def close(self) -> None:
        """Ends the stream, and keeps the transcripts that nobody has read."""
        self._cut_off()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._sender.give_up()
        for letter in self._mailbox.take_rest():
            if isinstance(letter, Known):
                for _ in self._read(letter):
                    pass
        self._cache.close()
        self._sender.end_claims(settled_only=False)
        self._work.cancellation.forget(self._cut_off)

    def _cut_off(self) -> None:
        self._sender.is_stopped = True
        self._services.close()
        self._mailbox.close()

    def _begin(self) -> None:
        # In a copy of the context, so that the calls go under the name of the statement.
        self._thread = threading.Thread(target=copy_context().run, args=(self._listen,), name="clips", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        failure: Exception | None = None
        try:
            clips = self._sender.clips()
            first = next(clips, None)
            # The model is not loaded where all turn out to be known by their content.
            answers = () if first is None else self._services.inference.transcribe(self._start, chain([first], clips))
            for answer in answers:
                lasts = self._recordings.is_unchanged(answer.id)
                result = _read_answer(answer, self._recordings.file_of(answer.id))
                self._sender.pass_on(Known(answer.id, result, lasts, heard=True))
            if self._sender.is_sending:
                raise DataError(
                    "inference_service ended the stream before it had taken all recordings",
                    hint="Run the statement again: the transcripts that are done are kept.",
                )
        except Exception as error:
            failure = error
        self._sender.give_up()
        self._mailbox.put(StreamEnded(failure))

    def _read(self, letter: Letter) -> Iterator[Known]:
        if isinstance(letter, StreamEnded):
            self._thread = None
            if letter.failure is not None:
                self._work.cancellation.check()
                raise letter.failure
            return
        self._sender.awaited.discard(letter.number)
        if isinstance(letter, Released):
            self._sender.to_send.append(letter.number)
        elif letter.number not in self._recordings.results:
            for known in self._sender.settle(letter):
                self._recordings.results[known.number] = self._hearing.trim(known.result)
                if known.lasts and not known.stored and isinstance(known.result, CachedTranscript):
                    self._cache.keep(known.result)
                yield known
            if not self._cache.has_unsaved:
                self._sender.end_claims(settled_only=True)


def _read_answer(answer: Transcript | ClipFailure, key: AudioKey) -> Result:
    if isinstance(answer, ClipFailure):
        return Failure(answer.reason, answer.message)
    words = [
        {
            "word": word.word,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "confidence": round(word.confidence, 4),
        }
        for word in answer.words
    ]
    said = json.dumps(words, ensure_ascii=False) if words else "[]"
    return CachedTranscript(key, answer.text, answer.confidence, said, answer.audio_seconds)
