"""What the measurements are made with: speech, a folder for what is thrown away, and how long they may look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving_parts.speech import Speech


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

    def of(self, usual: int, quick: int) -> int:
        """A number that is smaller in a quick look."""
        return quick if self.is_quick else usual
