"""Gets the transcripts of the recordings of a step: those that are known, and those that the model is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from query_service.language.source import NO_PLACE
from query_service.monitoring.figures import ClipSource
from query_service.planning.steps import Evaluate, Transcribe
from query_service.running.progress import Pacer, RateEstimator
from query_service.running.work import Work
from query_service.transcribing.clip_stream import ClipStream
from query_service.transcribing.hearing import hearing_of, open_start
from query_service.transcribing.letters import Known
from query_service.transcribing.recordings import Recordings, Result
from query_service.transcribing.transcript_cache import TranscriptCache
from thanosql.errors import DataError, InvalidOption, NotSupported
from thanosql.rpc.spans import span
from thanosql.types import AudioKey, CachedTranscript, Notice, Progress


class Transcription:
    """Fills in what becomes of the recordings of a step; to be closed, also when the step is cut off."""

    def __init__(self, step: Transcribe | Evaluate, work: Work, recordings: Recordings) -> None:
        self._step, self._work, self._recordings = step, work, recordings
        self._hearing = hearing_of(step)
        self._cache = TranscriptCache(self._hearing, work, step.cache)
        self._looked_up = 0
        """Recordings before this number were looked up."""
        self._checked_rows = 0
        self._counted: Counter[ClipSource] = Counter()

    def look_up(self) -> None:
        """Fills in those of the recordings added since the last time whose transcript is known.

        Raises:
            DataError: one of the rows gets no transcript, and the step is to fail then.
        """
        recordings, known_here = self._recordings, self._work.transcripts
        waiting: dict[AudioKey, int] = {}
        for number in range(self._looked_up, len(recordings.paths)):
            if number in recordings.results:  # there is no such file
                self._count(recordings.results[number])
        for number in recordings.waiting(self._looked_up):
            key = recordings.file_of(number)
            known = known_here.get((self._hearing, key))
            if known is not None:
                recordings.results[number] = known
                self._count(known)
            else:
                waiting[key] = number
        self._looked_up = len(recordings.paths)
        keys = [recordings.file_of(number) for number in waiting.values()]
        for key, transcript in self._cache.look_up(keys, self._work.services).items():
            if key in waiting:
                recordings.results[waiting[key]] = self._hearing.trim(transcript)
                self._count(transcript)
        self._refuse_first_failure()

    def transcribe_waiting(self) -> Generator[int | Progress | Notice, None, None]:
        """Has all others transcribed; gives each recording's number as it is done, and what to tell the user.

        Raises:
            DataError: one of the rows gets no transcript, and the step is to fail then.
        """
        waiting = self._recordings.waiting()
        if not waiting:
            return
        with span("transcribe clips", {"thanosql.clips": len(waiting)}) as told:
            before = Counter(self._counted)
            yield from self._transcribe(waiting)
            for source, number in (self._counted - before).items():
                told.set(f"thanosql.clips.{source}", number)

    def _transcribe(self, waiting: Sequence[int]) -> Generator[int | Progress | Notice, None, None]:
        recordings, clock = self._recordings, self._work.clock
        total, done, audio_seconds = len(recordings.rows), recordings.done_rows(), 0.0
        pacer, rate, speed = Pacer(), RateEstimator(), RateEstimator()
        rate.add(clock(), done)
        speed.add(clock(), 0.0)
        yield Progress("transcribe", done, total, "rows")
        start = open_start(self._step, self._hearing)
        stream = ClipStream(self._work, start, self._hearing, recordings, self._cache, shares=self._step.cache)
        with closing(stream):
            for known in self._placed(stream.results(waiting)):
                if isinstance(known, Notice):
                    yield known
                    continue
                done += recordings.uses[known.number]
                self._count(known.result, heard=known.heard)
                if not isinstance(known.result, CachedTranscript):
                    self._refuse_first_failure(again=True)
                elif known.heard:
                    audio_seconds += known.result.audio_seconds
                now = clock()
                rate.add(now, done)
                speed.add(now, audio_seconds)
                progress = Progress(
                    "transcribe",
                    done,
                    total,
                    "rows",
                    rate=rate.rate,
                    seconds_left=rate.seconds_left(total),
                    figures={"audio_seconds_per_second": speed.rate},
                )
                if pacer.lets_through(progress, now):
                    yield progress
                yield known.number
        forgotten = recordings.waiting()
        if forgotten:
            self._work.cancellation.check()
            first = recordings.paths[forgotten[0]]
            raise DataError(
                f"inference_service gave no answer for {len(forgotten)} recordings, {first} first",
                hint="Run the statement again: the transcripts that are done are kept.",
            )

    def notices(self) -> Iterator[Notice]:
        """What the user is told at the end."""
        return self._cache.notices()

    def close(self) -> None:
        """Keeps the transcripts that are not kept yet."""
        self._cache.close()

    def _count(self, result: Result, *, heard: bool = False) -> None:
        is_known = isinstance(result, CachedTranscript)
        source = (ClipSource.TRANSCRIBED if heard else ClipSource.CACHED) if is_known else ClipSource.FAILED
        self._counted[source] += 1
        seconds = result.audio_seconds if isinstance(result, CachedTranscript) and heard else 0.0
        self._work.queries.figures.add_clips(source, 1, seconds)

    def _refuse_first_failure(self, *, again: bool = False) -> None:
        if self._step.on_error != "fail":
            return
        failure = self._recordings.first_failure(0 if again else self._checked_rows)
        self._checked_rows = len(self._recordings.rows)
        if failure is not None:
            row, message = failure
            raise DataError(f"row {row}: {message}", hint="on_error='null' gives NULL for such a row and goes on.")

    def _placed(self, results: Iterable[Known | Notice]) -> Iterator[Known | Notice]:
        """The results; what is wrong with the hotwords is shown where they stand."""
        try:
            yield from results
        except (InvalidOption, NotSupported) as error:
            hotwords = self._step.hotwords
            raise self._work.source.placed(error, hotwords[0].at if hotwords else NO_PLACE) from error
