"""Reads a folder of recordings: a row for each, in the order of their paths.

The columns are

* the recording's path, relative to the workspace root, so that PREDICT takes it as it is: `audio_path`, or the name
  that OPTIONS (audio_col='…') gives;
* `text`, where transcripts stand beside recordings: see `catalog_service.tables.transcripts_beside`;
* `speaker`, where the folders are those of LibriSpeech (`speaker/chapter/speaker-chapter-number.flac`);
* `seconds`, `sample_rate`, `channels` and `format`, from the file's header; a file that cannot be read has NULL there.

Rows that are appended have the columns of the table: `speaker` and those of the header are left out where it lacks
them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalog_service.column_types import repeated_names
from catalog_service.tables.columnar_file import select_columns
from catalog_service.tables.found_recordings import SUFFIXES, Found, find_recordings
from catalog_service.tables.pace import Pace
from catalog_service.tables.reading import Connection, File, Selection, quoted
from catalog_service.tables.transcripts_beside import Transcripts, read_transcripts, without_suffix
from thanosql.audio import AudioHeader, read_header
from thanosql.errors import AudioError, DataError, InvalidOption
from thanosql.types import Notice, Progress, Severity

AUDIO_COL = "audio_path"
TEXT = "text"
SPEAKER = "speaker"
PROPERTIES = {"seconds": pa.float64(), "sample_rate": pa.int32(), "channels": pa.int32(), "format": pa.string()}
"""What a header tells, in the order of the columns."""

_THREADS = 8
_AT_ONCE = 512
"""Headers that are read between two looks at the clock."""
_RELATION = "recordings"
_CONVERTIBLE = (".m4a", ".aac", ".wma", ".mp4", ".webm", ".amr", ".mka", ".mkv", ".mov", ".3gp")
_LIBRISPEECH = re.compile(r"(?:.*/)?(\d+)/(\d+)/\1-\2-\d+\.\w+")


def prepare_folder(connection: Connection, file: File) -> Generator[Progress | Notice, None, Selection]:
    """See `catalog_service.tables.reading.Prepare`."""
    found = yield from find_recordings(file.root, file.place, file.clock)
    if not found.recordings:
        raise _no_recording(file, found)
    transcripts = yield from read_transcripts(file.place, found.recordings, found.texts, file.clock)
    names = _choose_columns(file, found.recordings, transcripts)
    headers = yield from _read_headers(file, found.recordings)
    connection.register(_RELATION, _make_rows(file, names, found.recordings, transcripts, headers))
    yield from _tell(found, transcripts, headers)
    return Selection(select_columns(file, names, quoted(_RELATION)), len(found.recordings))


def _choose_columns(file: File, recordings: Sequence[str], transcripts: Transcripts) -> list[str]:
    audio = file.audio_col or AUDIO_COL
    if file.append_to is None:
        has_speakers = all(_speaker(file, path) is not None for path in recordings)
        text = [TEXT] if transcripts.texts else []
        names = [audio, *text, *([SPEAKER] if has_speakers else []), *PROPERTIES]
    else:
        there = {column.name.casefold() for column in file.append_to.columns}
        # Transcripts are not left out without a word: the table must have a column for them.
        text = [TEXT] if transcripts.texts or TEXT in there else []
        names = [audio, *text, *(name for name in (SPEAKER, *PROPERTIES) if name in there)]
    if repeated_names(names):
        raise InvalidOption(
            f"audio_col={audio!r} is the name of another column of this table",
            hint=f"A folder gives the columns {', '.join(name for name in names if name != audio)} besides.",
        )
    return names


def _read_headers(file: File, recordings: Sequence[str]) -> Generator[Progress, None, list[AudioHeader | AudioError]]:
    headers: list[AudioHeader | AudioError] = []
    pace = Pace("read headers", "files", len(recordings), file.clock)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="headers") as threads:
        for start in range(0, len(recordings), _AT_ONCE):
            headers += threads.map(partial(_read_header, file.place), recordings[start : start + _AT_ONCE])
            yield from pace.report(len(headers))
    return headers


def _read_header(folder: Path, path: str) -> AudioHeader | AudioError:
    try:
        return read_header(folder / path, name=path)
    except AudioError as error:
        return error


def _make_rows(
    file: File,
    names: Sequence[str],
    recordings: Sequence[str],
    transcripts: Transcripts,
    headers: Sequence[AudioHeader | AudioError],
) -> pa.Table:
    below = file.place.relative_to(file.root.resolve())
    audio, *others = names
    columns: dict[str, pa.Array[Any]] = {audio: pa.array([(below / path).as_posix() for path in recordings])}
    for name in others:
        if name == TEXT:
            texts = [transcripts.texts.get(without_suffix(path)) for path in recordings]
            columns[name] = pa.array(texts, pa.string())
        elif name == SPEAKER:
            columns[name] = pa.array([_speaker(file, path) for path in recordings], pa.string())
        else:
            columns[name] = pa.array([getattr(header, name, None) for header in headers], PROPERTIES[name])
    return pa.table(columns)


def _speaker(file: File, path: str) -> str | None:
    place = _LIBRISPEECH.fullmatch((file.place / path).as_posix())
    return None if place is None else place[1]


def _tell(found: Found, transcripts: Transcripts, headers: Sequence[AudioHeader | AudioError]) -> Iterator[Notice]:
    if transcripts.texts:
        count = sum(without_suffix(path) in transcripts.texts for path in found.recordings)
        yield Notice(f"The column {TEXT} has the transcripts beside {count} of {len(found.recordings)} recordings.")
    if transcripts.unreadable:
        count = len(transcripts.unreadable)
        first = f"{count} transcripts were not read" if count > 1 else "A transcript was not read"
        what = "too large, or not text in UTF-8"
        yield Notice(f"{first} ({what}), for example {transcripts.unreadable[0]!r}.", Severity.WARNING)
    failures = [header for header in headers if isinstance(header, AudioError)]
    if failures:
        yield Notice(
            f"{len(failures)} of {len(headers)} recordings cannot be read, so {', '.join(PROPERTIES)} are NULL there: "
            f"{failures[0].message}.",
            Severity.WARNING,
        )
    others = found.others + Counter({".txt": len(found.texts) - transcripts.used - len(transcripts.unreadable)})
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(6))
        text = f"Left out, because their suffix is not that of a recording: {kinds}{', …' if len(others) > 6 else ''}."
        convertible = [suffix for suffix in _CONVERTIBLE if others[suffix]]
        if convertible:
            text += f" ffmpeg makes a recording of {convertible[0]}: ffmpeg -i a{convertible[0]} a.flac"
        yield Notice(text, Severity.WARNING if convertible else Severity.INFO)
    if found.links:
        yield Notice(f"Links to folders, and out of the workspace, are not followed: {found.links}.", Severity.WARNING)
    if found.unreadable:
        yield Notice(f"Folders and files that may not be read, or not be named: {found.unreadable}.", Severity.WARNING)


def _no_recording(file: File, found: Found) -> DataError:
    others = found.others + Counter({".txt": len(found.texts)})
    hint = f"It and its subfolders are looked through for {', '.join(SUFFIXES)}."
    if others:
        hint += f" There are: {', '.join(f'{count} {suffix}' for suffix, count in others.most_common(6))}."
    if others[".csv"]:
        hint += " A table is read by its own path: COPY calls FROM 'folder/calls.csv'."
    return DataError(f"there is no recording in the folder {file.path!r}", hint=hint)
