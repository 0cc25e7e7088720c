"""EXPLAIN of PREDICT and EVALUATE: how much there is to transcribe, how long that takes, and what has no transcript."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from query_service.explaining.figures import duration, number, share, size
from query_service.explaining.recordings import Waiting, add_rows, count_files, look_up, tell_failures
from query_service.explaining.soundings import Soundings, sound
from query_service.explaining.tree import Branch
from query_service.explaining.view import NOT_KNOWN, Explaining, View
from query_service.planning.steps import Evaluate, Transcribe
from query_service.transcribing.audio_column import find_audio, find_reference
from query_service.transcribing.hearing import hearing_of
from query_service.transcribing.recordings import LEFT_OUT, Failure, Recordings
from thanosql.errors import ThanoSQLError
from thanosql.types import CachedTranscript, EstimateRequest, Progress, TranscriptionEstimate


@dataclass(frozen=True, slots=True)
class Workload:
    """What a step would have to do."""

    recordings: Recordings
    """With what becomes of them, as far as that is known."""
    waiting: Waiting
    earlier: int
    """Recordings that a step before will have transcribed."""
    soundings: Soundings
    """Of all that no transcript is kept of."""
    to_do: Soundings
    """Of those that the model is asked for."""
    estimate: TranscriptionEstimate


def explain_transcription(step: Transcribe | Evaluate, view: View) -> Explaining:
    """How much there is to transcribe for the rows of a query."""
    version = f"version {step.version}" if step.version else "as it will have been made ready"
    title = f"transcribe {step.audio} with {step.model}, {version}"
    if isinstance(step, Evaluate):
        title += f", and score that against {step.reference}"
    if view.is_known(step.query):
        lines = tuple(_tell(step, (yield from _weigh(step, view))))
    else:
        lines = (NOT_KNOWN,)
        view.times.append(None)
    return Branch(title, lines, (Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query)),))


def _weigh(step: Transcribe | Evaluate, view: View) -> Generator[Progress, None, Workload]:
    recordings = Recordings(view.work.workspace)
    yield from add_rows(recordings, view, _parts(step, view))
    waiting = Waiting(tuple(recordings.waiting()))
    if step.version and step.cache:
        waiting = yield from look_up(recordings, hearing_of(step), step, view)
    soundings = yield from sound(recordings, waiting.numbers, view.work)
    recordings.results.update(soundings.failures)
    files = {each: (hearing_of(step), recordings.file_of(each)) for each in waiting.numbers}
    first = {each for each, file in files.items() if file not in view.heard}
    view.heard.update(files.values())
    to_do = soundings.of(first)
    estimate = _estimate(step, view, to_do)
    for each, seconds in soundings.lengths.items():
        if 0 < estimate.longest_seconds < seconds:
            path, most = recordings.paths[each], estimate.longest_seconds
            message = f"{path!r} is {seconds:.1f} s long, over the limit of {most:g} s"
            recordings.results[each] = Failure("too long", message)
    view.times.append(estimate.elapsed_seconds if estimate.is_known else None)
    return Workload(recordings, waiting, len(files) - len(first), soundings, to_do, estimate)


def _parts(step: Transcribe | Evaluate, view: View) -> Iterator[tuple[Sequence[str | None], Sequence[Any] | None]]:
    for batch in view.read(step.query):
        paths = batch.column(find_audio(step, view.work, batch.schema)).to_pylist()
        texts = None
        if step.reference is not None:
            texts = batch.column(find_reference(step.reference, view.work, batch.schema)).to_pylist()
        # PREDICT compares where there is a text, and transcribes all the same where there is none.
        yield paths, texts if isinstance(step, Evaluate) else None


def _estimate(step: Transcribe | Evaluate, view: View, soundings: Soundings) -> TranscriptionEstimate:
    if not step.version:
        return TranscriptionEstimate(reason="the model is made ready first, and measured when it is first loaded")
    if not soundings.lengths:
        return TranscriptionEstimate(is_known=True)
    lengths, hotwords = tuple(soundings.lengths.values()), bool(step.hotwords)
    request = EstimateRequest(
        step.model.text, step.version, step.batch_size, lengths, soundings.usable, hotwords=hotwords
    )
    try:
        estimate = view.work.services.inference.estimate(request)
        return _spread(estimate, view.work.services.count_inference(), soundings.usable)
    except ThanoSQLError as error:
        view.work.cancellation.check()
        return TranscriptionEstimate(reason=error.message)


def _spread(estimate: TranscriptionEstimate, servers: int, recordings: int) -> TranscriptionEstimate:
    """What it takes where several servers share the work, each as fast as the one that was asked."""
    if servers < 2 or not estimate.is_known:
        return estimate
    elapsed = estimate.elapsed_seconds / max(1, min(servers, recordings))
    return replace(estimate, elapsed_seconds=elapsed, reason=f"{estimate.reason}, shared by {servers} servers")


def _tell(step: Transcribe | Evaluate, load: Workload) -> Iterator[str]:
    recordings, soundings = load.recordings, load.soundings
    known = [each for each in recordings.results.values() if isinstance(each, CachedTranscript)]
    files = count_files(recordings)
    is_sample = soundings.read < soundings.recordings
    about = "about " if is_sample else ""
    audio = sum(each.audio_seconds for each in known) + soundings.seconds
    yield (
        f"{number(len(recordings.rows), 'row')}, {number(files, 'distinct file')}, {about}{duration(audio)} of audio"
    )
    if is_sample:
        yield f"the headers of {soundings.read:,} files were read, which stand for {soundings.recordings:,}"
    left_out = sum(each == LEFT_OUT for each in recordings.rows)
    if left_out and isinstance(step, Evaluate):
        yield f"{number(left_out, 'row')} without a text in {step.reference} are left out"
    yield from _tell_known(step, load, len(known), files)
    yield from _tell_time(load, about)
    yield from tell_failures(recordings, "would have no transcript", of_all=not is_sample)
    failure = recordings.first_failure() if step.on_error == "fail" else None
    if failure is not None:
        yield f"the statement would stop at row {failure[0]}, because on_error is 'fail': {failure[1]}"


def _tell_known(step: Transcribe | Evaluate, load: Workload, known: int, files: int) -> Iterator[str]:
    if not step.cache:
        yield "cached: not looked at, because cache is False"
    else:
        yield f"cached: {known:,} of {number(files, 'file')} ({share(known, files)})"
    if load.waiting.unlooked_bytes:
        held = size(load.waiting.unlooked_bytes)
        yield f"others may be known by their content, which is not looked at: they have {held}"
    if load.waiting.repeated:
        yield f"{number(load.waiting.repeated, 'file')} with the same content as another one"
    if load.earlier:
        yield f"{number(load.earlier, 'file')} that another step of the statement has transcribed"


def _tell_time(load: Workload, about: str) -> Iterator[str]:
    estimate, soundings = load.estimate, load.to_do
    if not soundings.usable:
        yield "to transcribe: nothing"
        return
    seconds = duration(soundings.seconds)
    work = f"to transcribe: {about}{number(soundings.usable, 'file')}, {about}{seconds} of audio"
    yield f"{work}, in {about}{number(estimate.batches, 'batch')}" if estimate.batches else work
    if not estimate.is_known:
        yield f"expected time: not known: {estimate.reason}"
        return
    if not estimate.elapsed_seconds:
        return
    rate = f"{soundings.seconds / estimate.elapsed_seconds:.3g} s of audio a second"
    loading = "" if estimate.is_loaded else "; the model is loaded first"
    yield f"expected time: about {duration(estimate.elapsed_seconds)}, at {rate} ({estimate.reason}){loading}"
