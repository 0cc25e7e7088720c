"""Transcripts that need not be computed again: looked up before a PREDICT, kept while it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence

from query_service.running.progress import Pacer
from query_service.running.work import Work
from query_service.transcribing.recordings import Recordings
from thanosql.errors import ThanoSQLError
from thanosql.types import CachedTranscript, Notice, Progress, Severity

KEYS_AT_ONCE = 1_000
KEEP_AT_ONCE = 200
KEEP_SECONDS = 2.0
"""Transcripts are stored when so many wait, or the oldest has waited so long."""


def name_decoding(hotwords: Sequence[str], weight: float | None) -> str:
    """What tells transcripts that were decoded with hotwords from others; empty where there are none."""
    if not hotwords:
        return ""
    said = json.dumps([sorted(set(hotwords)), float(weight or 0)])
    return f"hotwords {hashlib.sha256(said.encode()).hexdigest()[:32]}"


class TranscriptCache:
    """The cache of one version of a model and one way to decode, for one PREDICT; does nothing where not `enabled`.

    What was computed is stored as it comes, and the rest by `close`, also when the statement is cancelled or
    fails: a PREDICT that died goes on where it stopped when it is run again.
    """

    def __init__(
        self, model: str, version: int, work: Work, enabled: bool, *, needs_words: bool, decoding: str = ""
    ) -> None:
        self._model = model
        self._decoding = decoding
        self._version = version
        self._work = work
        self._enabled = enabled
        self._needs_words = needs_words
        self._unsaved: list[CachedTranscript] = []
        self._oldest = 0.0
        self._failure: ThanoSQLError | None = None
        self._found = 0

    def look_up(self, recordings: Recordings) -> Generator[Progress, None, None]:
        """Fills in the recordings whose transcript is known."""
        if not self._enabled:
            return
        waiting = recordings.waiting()
        pacer = Pacer()
        for start in range(0, len(waiting), KEYS_AT_ONCE):
            self._work.cancellation.check()
            chunk = waiting[start : start + KEYS_AT_ONCE]
            numbers = {key: number for number in chunk if (key := recordings.keys[number]) is not None}
            found = self._work.services.catalog.lookup_transcripts(self._model, self._version, numbers, self._decoding)
            for known in found:
                # One that was made without word times does not serve where they are wanted.
                if known.key in numbers and not (self._needs_words and known.text and known.words in ("", "[]")):
                    recordings.results[numbers[known.key]] = known
                    self._found += 1
            progress = Progress("look up transcripts", start + len(chunk), len(waiting), "files")
            if len(waiting) > KEYS_AT_ONCE and pacer.lets_through(progress, self._work.clock()):
                yield progress

    def keep(self, transcript: CachedTranscript) -> None:
        """Stores a transcript, soon."""
        if not self._enabled or self._failure is not None:
            return
        now = self._work.clock()
        if not self._unsaved:
            self._oldest = now
        self._unsaved.append(transcript)
        if len(self._unsaved) >= KEEP_AT_ONCE or now - self._oldest >= KEEP_SECONDS:
            try:
                self._work.services.catalog.store_transcripts(self._model, self._version, self._unsaved, self._decoding)
            except ThanoSQLError as error:
                self._work.cancellation.check()
                self._failure = error
            self._unsaved = []

    def close(self) -> None:
        """Stores what waits, whatever has become of the statement."""
        unsaved, self._unsaved = self._unsaved, []
        if unsaved:
            with self._work.cleanup(f"{len(unsaved)} transcripts could not be kept") as services:
                services.catalog.store_transcripts(self._model, self._version, unsaved, self._decoding)

    def notices(self) -> Iterator[Notice]:
        """What the user is told at the end."""
        if self._failure is not None:
            text = f"The transcripts could not be kept for the next time: {self._failure.message}."
            yield Notice(text, Severity.WARNING)
        if self._found:
            files = "file was" if self._found == 1 else "files were"
            yield Notice(f"{self._found} {files} transcribed before; their transcripts are taken from the cache.")
