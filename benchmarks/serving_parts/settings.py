"""What the measurements are made with: speech, models, the peers' environments, and how long they may look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving_parts.speech import Speech, make_models


@dataclass(frozen=True)
class Settings:
    """From the command line."""

    speech: Speech
    state: Path
    """Holds the model store."""
    scratch: Path
    """A folder for what is thrown away."""
    is_quick: bool
    triton: Path | None = None
    """A virtual environment with nvidia-pytriton and onnxruntime."""
    litserve: Path | None = None
    mlserver: Path | None = None

    def of(self, usual: int, quick: int) -> int:
        """A number that is smaller in a quick look."""
        return quick if self.is_quick else usual

    def need(self, *models: str) -> None:
        """Makes the models that are not there yet."""
        make_models(self.state, set(models))
