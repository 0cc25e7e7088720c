"""Plays a clip of PRINT AUDIO where the machine can, and says where it is where it cannot."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from thanosql.errors import NotFound
from thanosql.types import Clip

PLAYERS: tuple[tuple[str, ...], ...] = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("mpv", "--no-video", "--really-quiet"),
    ("afplay",),
    ("pw-play",),
    ("paplay",),
    ("play", "-q"),
    ("aplay", "-q"),
)
"""Programs that play a file, with their arguments; the first that is there is taken."""
WAV_ONLY = ("aplay",)
SUFFIXES = {
    **{"audio/wav": ".wav", "audio/x-wav": ".wav", "audio/flac": ".flac", "audio/mpeg": ".mp3", "audio/mp3": ".mp3"},
    **{"audio/ogg": ".ogg", "audio/opus": ".opus"},
}


def play(clips: tuple[Clip, ...], number: int, find: Callable[[str], str | None] = shutil.which) -> str:
    """Plays a clip to its end; what to tell of it.

    Args:
        clips: Of the last PRINT AUDIO.
        number: Which of them, from 1.
        find: Where a program is.

    Raises:
        NotFound: there is no such clip, or it could not be read.
    """
    if not clips:
        raise NotFound(
            "there is no clip to play", hint="PRINT AUDIO AS SELECT audio_path FROM table LIMIT 3; gets some."
        )
    if not 1 <= number <= len(clips):
        raise NotFound(f"there is no clip {number}", hint=f"The last PRINT AUDIO gave {len(clips)}: \\play 1")
    clip = clips[number - 1]
    if clip.error:
        raise NotFound(f"clip {number} could not be read: {clip.error}")
    file = save(clip, number)
    tried = []
    for name, *arguments in PLAYERS:
        if find(name) is None or (name in WAV_ONLY and file.suffix != ".wav"):
            continue
        done = subprocess.run([name, *arguments, str(file)], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if not done.returncode:
            file.unlink()
            file.parent.rmdir()
            return f"played {clip.path} ({clip.seconds:.1f} s)"
        tried.append(name)
    if tried:
        return f"{' and '.join(tried)} could not play it (is there a loudspeaker?); the clip is in {file}"
    return f"no player is installed here (ffplay, mpv, sox …); the clip is in {file}"


def save(clip: Clip, number: int) -> Path:
    """Writes a clip to a file of its own, which others cannot read."""
    folder = Path(tempfile.mkdtemp(prefix="thanosql-clip-"))
    file = folder / f"clip{number}{SUFFIXES.get(clip.media_type, '.wav')}"
    file.write_bytes(clip.audio)
    return file
