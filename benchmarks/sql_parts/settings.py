"""What the measurements are made with: speech, a folder for what is thrown away, and how long they may look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving_parts.speech import BASE, LIGHT, Speech


@dataclass(frozen=True)
class Settings:
    """From the command line."""

    speech: Speech
    """Recordings, and the folder that their paths are relative to."""
    scratch: Path
    """A folder for what is thrown away: states, tables, and new recordings."""
    is_quick: bool
    rounds: int
    """How often each contender takes its turn."""
    seed: int

    @property
    def model(self) -> str:
        """wav2vec2-base; in a quick look a light one, which is some seventy times faster."""
        return LIGHT if self.is_quick else BASE

    def of(self, usual: int, quick: int) -> int:
        """A number that is smaller in a quick look."""
        return quick if self.is_quick else usual
