"""EXPLAIN of PRINT AUDIO: how much there is to play, and what cannot be played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from query_service.explaining.figures import duration, number
from query_service.explaining.recordings import add_rows, count_files, tell_failures
from query_service.explaining.soundings import sound
from query_service.explaining.tree import Branch
from query_service.explaining.view import NOT_KNOWN, Explaining, View
from query_service.planning.result_columns import audio_index, missing_column
from query_service.planning.steps import PlayAudio
from query_service.showing.clips import MOST_CLIPS
from query_service.transcribing.recordings import Recordings


def explain_playing(step: PlayAudio, view: View) -> Explaining:
    """How much there is to play."""
    lines: list[str] = [NOT_KNOWN]
    if view.is_known(step.query):
        recordings = Recordings(view.work.workspace)
        yield from add_rows(recordings, view, _parts(step, view))
        soundings = yield from sound(recordings, recordings.waiting(), view.work)
        recordings.results.update(soundings.failures)
        files = number(count_files(recordings), "distinct file")
        lines = [f"{number(len(recordings.rows), 'clip')}, {files}, {duration(soundings.seconds)} of audio"]
        if len(recordings.rows) == MOST_CLIPS:
            lines.append(f"no more than the first {MOST_CLIPS} are played")
        lines += tell_failures(recordings, "cannot be played", of_all=True)
    return Branch("play audio", tuple(lines), (Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query)),))


def _parts(step: PlayAudio, view: View) -> Iterator[tuple[Sequence[str | None], None]]:
    left = MOST_CLIPS
    for batch in view.read(step.query):
        index = audio_index(batch.schema.names, step.audio)
        if index is None:
            raise missing_column(view.work.source, batch.schema.names, step.audio, "audio_col", view.work.query_at)
        paths = batch.column(index).slice(0, left).to_pylist()
        left -= len(paths)
        yield [None if path is None else str(path) for path in paths], None
        if not left:
            return
