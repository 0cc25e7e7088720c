"""The clips of a step on their way to be transcribed: the answers, and what other statements tell, in one order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextvars import copy_context

from query_service.running.work import Work
from query_service.transcribing.clip_sender import ClipSender
from query_service.transcribing.clip_shares import ClipShares
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.letters import Known, Letter, Released, StreamEnded, Told
from query_service.transcribing.mailbox import Mailbox
from query_service.transcribing.recordings import Failure, Recordings, Result
from query_service.transcribing.server_streams import STOP_SECONDS, ServerStreams
from query_service.transcribing.transcript_cache import TranscriptCache
from thanosql.types import AudioKey, CachedTranscript, ClipFailure, Notice, TranscribeStart, Transcript


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
        # Channels of its own: to close them cuts off what is done here, and no other call of the statement.
        self._services = work.services.another()
        self._sender = ClipSender(
            work, self._services, hearing, recordings, cache, shares=shares, mailbox=self._mailbox
        )
        self._streams: ServerStreams | None = None
        self._thread: threading.Thread | None = None
        self._has_told = False
        work.cancellation.when_cancelled(self._cut_off)

    def results(self, numbers: Iterable[int]) -> Iterator[Known | Notice]:
        """What becomes of recordings, as it is known; each is in `recordings.results` when it comes.

        Raises:
            DataError: a server ended its stream without an answer for all.
            Unavailable: there is no server, and none has come within the patience of the service.
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
            self._thread.join(2 * STOP_SECONDS)
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
        if self._streams is not None:
            self._streams.stop()
        self._mailbox.close()

    def _begin(self) -> None:
        shares = ClipShares(
            self._sender.clips(),
            size_of=lambda number: self._recordings.file_of(number).size,
            undrawn=lambda: self._sender.unsent,
            clock=self._work.clock,
            alone=not self._services.has_replicas,
        )
        patience, clock = self._work.config.inference_patience, self._work.clock
        streams = self._streams = ServerStreams(
            self._services, self._start, shares, self._hear, self._tell, patience, clock
        )
        # In a copy of the context, so that the calls go under the name of the statement.
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._listen, streams), name="clips", daemon=True)
        self._thread.start()

    def _listen(self, streams: ServerStreams) -> None:
        failure: Exception | None = None
        try:
            if not self._sender.is_stopped:
                streams.run()
        except Exception as error:
            failure = error
        self._sender.give_up()
        self._mailbox.put(StreamEnded(failure))

    def _hear(self, answer: Transcript | ClipFailure) -> None:
        """Called by the streams, in their threads."""
        lasts = self._recordings.is_unchanged(answer.id)
        result = _read_answer(answer, self._recordings.file_of(answer.id))
        self._sender.pass_on(Known(answer.id, result, lasts, heard=True))

    def _tell(self, text: str) -> None:
        if not self._has_told:
            self._has_told = True
            self._mailbox.put(Told(text))

    def _read(self, letter: Letter) -> Iterator[Known | Notice]:
        if isinstance(letter, StreamEnded):
            self._thread = None
            if letter.failure is not None:
                self._work.cancellation.check()
                raise letter.failure
            return
        if isinstance(letter, Told):
            yield Notice(letter.text)
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
