"""PRINT AUDIO: recordings as something that a browser plays."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from query_service.planning.result_columns import audio_index, find_column, missing_column
from query_service.planning.steps import PlayAudio
from query_service.running.arrow import read_rows
from query_service.running.work import Outcome, Steps, Work
from thanosql.errors import AudioError, NotFound, PathRefused
from thanosql.types import Clip, ClipCaption, Notice
from thanosql.workspace import existing_file

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLIPS = 100
MOST_SECONDS = 30.0
"""Of one recording."""
MOST_BYTES = 1 << 20
"""Of all clips of a statement: a notebook keeps them, and grows by a third more."""
RATE = 16_000
"""Hertz; what speech needs, and what the models hear."""
SMALL_RATE = 6_000.0
"""Bytes a second up to which a file that browsers play is sent as it is."""

_MP3 = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.85}
"""Plays in every browser, Safari and that of Visual Studio Code among them; 32 kbit/s of 16 kHz mono."""
_PLAYED_AS_IS = {"MP3": "audio/mpeg", "OGG": "audio/ogg"}


def play(step: PlayAudio, work: Work) -> Steps:
    """A clip for each row of the query; a recording that cannot be played is a clip that says why."""
    played = cut = shrunk = size = 0
    for batch, row, index in _rows(step, work):
        if played == MOST_CLIPS:
            yield Notice(f"Only the first {MOST_CLIPS} recordings are played. Choose others with WHERE and LIMIT.")
            break
        work.cancellation.check()
        compared = _compared(step, work, batch.schema.names)
        caption = tuple(
            ClipCaption(name, _as_text(batch.column(i)[row].as_py(), is_compared=name in compared))
            for i, name in enumerate(batch.schema.names)
            if i != index
        )
        made = make_clip(work.workspace, batch.column(index)[row].as_py(), caption)
        size += len(made.clip.audio)
        if size > MOST_BYTES:
            text = f"Only the first {played} recordings are played: they fill what one result may hold ("
            yield Notice(f"{text}{MOST_BYTES >> 20} MiB). Choose others with WHERE and LIMIT.")
            break
        cut += made.was_cut
        shrunk += made.was_shrunk
        played += 1
        yield replace(made.clip, reference_column=compared[0], predicted_column=compared[1])
    if cut:
        yield Notice(f"{cut} of {played} recordings are longer: their first {MOST_SECONDS:g} seconds are played.")
    if shrunk:
        text = f"{shrunk} of {played} recordings are sent small, as MP3 of {RATE // 1000} kHz"
        yield Notice(f"{text}; the files stay as they are.")
    return Outcome(played)


def _compared(step: PlayAudio, work: Work, names: Sequence[str]) -> tuple[str, str]:
    """The columns with what was said and what was heard; two empty names where there are not both."""
    found: list[str] = []
    for wanted, usual, option in ((step.reference, "text", "text_col"), (step.predicted, "predicted", "result_col")):
        index = find_column(names, usual if wanted is None else wanted.text)
        if index is None and wanted is not None:
            raise missing_column(work.source, names, wanted, option, work.query_at)
        if index is not None:
            found.append(names[index])
    return (found[0], found[1]) if len(found) == 2 else ("", "")


def _rows(step: PlayAudio, work: Work) -> Iterator[tuple[pa.RecordBatch, int, int]]:
    """Batch, row in it, and index of the audio column, for each row of the query."""
    index: int | None = None
    for rows in work.query(step.query):
        for batch in read_rows(rows):
            names = batch.schema.names
            index = audio_index(names, step.audio) if index is None else index
            if index is None:
                raise missing_column(work.source, names, step.audio, "audio_col", work.query_at)
            for row in range(batch.num_rows):
                yield batch, row, index


@dataclass(frozen=True, slots=True)
class MadeClip:
    """A clip, and what was done to its recording."""

    clip: Clip
    was_cut: bool = False
    was_shrunk: bool = False


def make_clip(workspace: Path, path: object, caption: Sequence[ClipCaption] = ()) -> MadeClip:
    """The recording that a row names; what cannot be played says why in `error`."""
    shown = "" if path is None else str(path)
    if not shown.strip():
        return MadeClip(Clip(shown, caption=tuple(caption), error="the row names no recording"))
    try:
        audio, media_type, seconds, cut, shrunk = read_clip(existing_file(workspace, shown), shown)
    except (NotFound, PathRefused, AudioError) as error:
        return MadeClip(Clip(shown, caption=tuple(caption), error=error.message))
    return MadeClip(Clip(shown, media_type, audio, seconds, tuple(caption)), cut, shrunk)


def read_clip(file: Path, name: str) -> tuple[bytes, str, float, bool, bool]:
    """Bytes to play, their media type, their seconds, whether the recording was cut, and whether it was shrunk.

    Raises:
        AudioError: it cannot be decoded.
    """
    import numpy as np
    import soundfile

    from thanosql.audio import read_blocks, read_header

    header = read_header(file, name=name)
    media_type = _PLAYED_AS_IS.get(header.format)
    is_small = file.stat().st_size <= SMALL_RATE * header.seconds
    if media_type and is_small and header.seconds <= MOST_SECONDS:
        return file.read_bytes(), media_type, header.seconds, False, False
    wanted = int(MOST_SECONDS * RATE)
    blocks = []
    have = 0
    for block in read_blocks(file, sample_rate=RATE, name=name):
        blocks.append(block)
        have += len(block)
        if have > wanted:
            break
    samples = np.concatenate(blocks)[:wanted]
    sink = io.BytesIO()
    soundfile.write(sink, np.clip(samples, -1.0, 1.0), RATE, **_MP3)
    return sink.getvalue(), "audio/mpeg", len(samples) / RATE, have > wanted, True


def _as_text(value: object, *, is_compared: bool) -> str:
    """A value of the caption; a transcript that is missing has no words, not the word NULL."""
    if value is None:
        return "" if is_compared else "NULL"
    return str(value)
