"""Transcripts that need not be computed again: looked up before recordings are transcribed, kept while they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from query_service.running.services import Services
from query_service.running.work import Work
from query_service.transcribing.hearing import Hearing
from thanosql.errors import ThanoSQLError
from thanosql.types import AudioKey, CachedTranscript, Notice, Severity

KEYS_AT_ONCE = 1_000
KEEP_AT_ONCE = 200
KEEP_SECONDS = 2.0
"""Transcripts are stored when so many wait, or the oldest has waited so long."""

USUAL_PRECISION = "fp32"
"""Transcripts that were computed in another are others."""


class TranscriptCache:
    """The cache of what is heard in one way, for one step; does nothing where not `enabled`.

    What was computed is stored as it comes, and the rest by `close`, also when the statement is cancelled or
    fails: a PREDICT that died goes on where it stopped when it is run again. Where it `only_looks`, looking leaves no
    trace either.
    """

    def __init__(self, hearing: Hearing, work: Work, enabled: bool, *, only_looks: bool = False) -> None:
        self._only_looks = only_looks
        self._hearing = hearing
        self._work = work
        self._enabled = enabled
        self._precision = ""
        """Empty: not known."""
        self._unsaved: list[CachedTranscript] = []
        self._oldest = 0.0
        self._failure: ThanoSQLError | None = None
        self._found = 0

    def look_up(self, keys: Sequence[AudioKey], services: Services) -> dict[AudioKey, CachedTranscript]:
        """The transcripts that are known, by the keys that were asked for: by file, or else by its content."""
        known: dict[AudioKey, CachedTranscript] = {}
        if not self._enabled or not keys:
            return known
        decoding = self._find_decoding(services)
        hearing = self._hearing
        for start in range(0, len(keys), KEYS_AT_ONCE):
            chunk = keys[start : start + KEYS_AT_ONCE]
            for each in services.catalog.lookup_transcripts(
                hearing.model, hearing.version, chunk, decoding, only_looks=self._only_looks
            ):
                # One that was made without word times does not serve where they are wanted.
                if not (hearing.words and each.text and each.words in ("", "[]")):
                    known[each.key] = each
        self._found += len(known)
        return known

    def keep(self, transcript: CachedTranscript) -> None:
        """Stores a transcript, soon."""
        if not self._enabled or self._failure is not None:
            return
        now = self._work.clock()
        if not self._unsaved:
            self._oldest = now
        self._unsaved.append(transcript)
        if len(self._unsaved) >= KEEP_AT_ONCE or now - self._oldest >= KEEP_SECONDS:
            unsaved, self._unsaved = self._unsaved, []
            try:
                self._store(unsaved, self._work.services)
            except ThanoSQLError as error:
                if self._work.cancellation.is_set:  # nothing is lost: `close` stores them over channels of its own
                    self._unsaved = unsaved
                    return
                self._failure = error

    @property
    def has_unsaved(self) -> bool:
        """Whether transcripts wait to be stored."""
        return bool(self._unsaved)

    def close(self) -> None:
        """Stores what waits, whatever has become of the statement."""
        unsaved, self._unsaved = self._unsaved, []
        if unsaved:
            with self._work.cleanup(f"{len(unsaved)} transcripts could not be kept") as services:
                self._store(unsaved, services)

    def notices(self) -> Iterator[Notice]:
        """What the user is told at the end."""
        if self._failure is not None:
            text = f"The transcripts could not be kept for the next time: {self._failure.message}."
            yield Notice(text, Severity.WARNING)
        if self._found:
            files = "file was" if self._found == 1 else "files were"
            yield Notice(f"{self._found} {files} transcribed before; their transcripts are taken from the cache.")

    def _store(self, transcripts: Sequence[CachedTranscript], services: Services) -> None:
        hearing = self._hearing
        decoding = self._find_decoding(services)
        services.catalog.store_transcripts(hearing.model, hearing.version, transcripts, decoding)

    def _find_decoding(self, services: Services) -> str:
        """The decoding, with the precision that the model computes in where it is not the usual one.

        A model that was never loaded on its machine tells none until it has transcribed something.
        """
        if not self._precision:
            try:
                figures = services.inference.get_statistics(self._hearing.model, self._hearing.version)
            except ThanoSQLError:  # what is known needs no inference_service
                figures = ()
            self._precision = next((each.plan.precision for each in figures if each.plan is not None), "")
        other = self._precision if self._precision != USUAL_PRECISION else ""
        return f"{self._hearing.decoding} {other}".strip()
