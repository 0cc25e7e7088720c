"""Reads the transcripts that stand beside recordings.

Two forms are known: a text file of the recording's name (`a.wav`, `a.txt`), which holds its transcript and nothing
else; and LibriSpeech's `*.trans.txt`, which holds a line for each recording of its folder, the name without its suffix
and then the transcript. Where a recording has both, its own file counts.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog_service.tables.pace import Clock, Pace
from thanosql.types import Progress

LIST_SUFFIX = ".trans.txt"
LARGEST_LIST = 64 * 1024 * 1024
LARGEST_TEXT = 1024 * 1024
"""Bytes; what is larger is no transcript."""


@dataclass(slots=True)
class Transcripts:
    """What was read."""

    texts: dict[str, str] = field(default_factory=dict)
    """By the recording's path without its suffix."""
    used: int = 0
    """Files that hold a transcript of a recording."""
    unreadable: list[str] = field(default_factory=list)
    """Files that should hold one, and are too large or not in UTF-8."""


def read_transcripts(
    folder: Path, recordings: Sequence[str], texts: Sequence[str], clock: Clock
) -> Generator[Progress, None, Transcripts]:
    """The transcripts of recordings.

    Args:
        folder: That paths are relative to.
        recordings: Their paths.
        texts: Paths of the text files that there are.
        clock: For the progress.
    """
    stems = {without_suffix(path) for path in recordings}
    found = Transcripts()
    pace = Pace("read transcripts", "files", len(texts), clock)
    # Lists first, so that what a recording's own file says replaces what they say.
    for done, path in enumerate(sorted(texts, key=lambda text: not text.endswith(LIST_SUFFIX))):
        if path.endswith(LIST_SUFFIX):
            content = _read(folder / path, LARGEST_LIST)
            said = {} if content is None else _read_list(path, content)
        elif without_suffix(path) in stems:
            content = _read(folder / path, LARGEST_TEXT)
            said = {} if content is None else {without_suffix(path): " ".join(content.split())}
        else:
            continue
        if content is None:
            found.unreadable.append(path)
        known = {stem: text for stem, text in said.items() if text and stem in stems}
        found.texts.update(known)
        found.used += bool(known)
        yield from pace.report(done)
    return found


def without_suffix(path: str) -> str:
    """The path of a recording, or of its text, without what follows the last dot of its name."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.rpartition(".")[0]


def _read_list(path: str, content: str) -> dict[str, str]:
    folder, slash, _ = path.rpartition("/")
    lines = (line.split(None, 1) for line in content.splitlines())
    return {folder + slash + line[0]: " ".join(line[1].split()) for line in lines if len(line) == 2}


def _read(file: Path, largest: int) -> str | None:
    """The text of a file; None where it is too large, not in UTF-8 or not to be read."""
    try:
        if file.stat().st_size > largest:
            return None
        content = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in content else content
