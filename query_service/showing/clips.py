"""PRINT AUDIO: recordings as something that a browser plays."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from query_service.planning.result_columns import audio_index, missing_column
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
LARGEST_AS_IS = 1 << 20
"""Bytes of a file that is sent as it is, where browsers play its format."""
HIGHEST_RATE = 48_000

_PLAYED_AS_IS = {
    "WAV": "audio/wav",
    "WAVEX": "audio/wav",
    "FLAC": "audio/flac",
    "MP3": "audio/mpeg",
    "OGG": "audio/ogg",
}
_PCM = 1
_EXTENSIBLE = 0xFFFE


def play(step: PlayAudio, work: Work) -> Steps:
    """A clip for each row of the query; a recording that cannot be played is a clip that says why."""
    played = cut = 0
    for batch, row, index in _rows(step, work):
        if played == MOST_CLIPS:
            yield Notice(f"Only the first {MOST_CLIPS} recordings are played. Choose others with WHERE and LIMIT.")
            break
        work.cancellation.check()
        caption = tuple(
            ClipCaption(name, _as_text(batch.column(i)[row].as_py()))
            for i, name in enumerate(batch.schema.names)
            if i != index
        )
        clip, was_cut = make_clip(work.workspace, batch.column(index)[row].as_py(), caption)
        cut += was_cut
        played += 1
        yield clip
    if cut:
        yield Notice(f"{cut} of {played} recordings are longer: their first {MOST_SECONDS:g} seconds are played.")
    return Outcome(played)


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


def make_clip(workspace: Path, path: object, caption: Sequence[ClipCaption] = ()) -> tuple[Clip, bool]:
    """The recording that a row names, and whether it was cut; what cannot be played says why in `error`."""
    shown = "" if path is None else str(path)
    if not shown.strip():
        return Clip(shown, caption=tuple(caption), error="the row names no recording"), False
    try:
        audio, media_type, seconds, cut = read_clip(existing_file(workspace, shown), shown)
    except (NotFound, PathRefused, AudioError) as error:
        return Clip(shown, caption=tuple(caption), error=error.message), False
    return Clip(shown, media_type, audio, seconds, tuple(caption)), cut


def read_clip(file: Path, name: str) -> tuple[bytes, str, float, bool]:
    """Bytes to play, their media type, their seconds, and whether the recording was cut.

    Raises:
        AudioError: it cannot be decoded.
    """
    import numpy as np
    import soundfile

    from thanosql.audio import read_blocks, read_header

    header = read_header(file, name=name)
    media_type = _PLAYED_AS_IS.get(header.format)
    if media_type and file.stat().st_size <= LARGEST_AS_IS:
        content = file.read_bytes()
        if media_type != "audio/wav" or _is_pcm(content):
            return content, media_type, header.seconds, False
    rate = min(header.sample_rate, HIGHEST_RATE)
    wanted = int(MOST_SECONDS * rate)
    blocks = []
    have = 0
    for block in read_blocks(file, sample_rate=rate, name=name):
        blocks.append(block)
        have += len(block)
        if have > wanted:
            break
    samples = np.concatenate(blocks)[:wanted]
    sink = io.BytesIO()
    soundfile.write(sink, np.clip(samples, -1.0, 1.0), rate, format="FLAC", subtype="PCM_16")
    return sink.getvalue(), "audio/flac", len(samples) / rate, have > wanted


def _is_pcm(content: bytes) -> bool:
    """Whether a wav file holds plain samples, which every browser plays."""
    at = 12
    while at + 26 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"fmt ":
            (form,) = struct.unpack_from("<H", content, at + 8)
            if form == _EXTENSIBLE and at + 34 <= len(content):
                (form,) = struct.unpack_from("<H", content, at + 32)
            return bool(form == _PCM)
        at += 8 + size + size % 2
    return False


def _as_text(value: object) -> str:
    return "NULL" if value is None else str(value)
