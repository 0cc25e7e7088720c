"""How far a training is, and which of its epochs were best: what a checkpoint keeps beside weights and optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Course:
    """Counts what was done; every process of a training has the same."""

    step: int = 0
    """Steps done."""
    heard: float = 0.0
    """Seconds of audio learned from."""
    padding: float = 0.0
    """Seconds of padding computed beside them."""
    spent: float = 0.0
    """Seconds of time in steps."""
    epoch_loss: float = 0.0
    """Summed over the rows of the epoch under way, in nats."""
    epoch_labels: int = 0
    losses: list[float] = field(default_factory=list)
    """Mean of each whole epoch, in nats per label."""
    evaluated: list[tuple[float, float, int]] = field(default_factory=list)
    """WER, CER and epoch of each evaluation."""
    before: list[str] = field(default_factory=list)
    """What the base model heard in the held-out rows."""

    def best(self, count: int) -> list[int]:
        """The epochs that were best on the held-out rows, best first.

        Of the same WER, the better CER: on few held-out rows, ties are common. Then the earlier one.
        """
        return [epoch for _, _, epoch in sorted(self.evaluated)[:count]]

    def has_stopped_improving(self, patience: int) -> bool:
        """Whether so many epochs were no better than the best before them."""
        return bool(self.evaluated) and len(self.evaluated) - self.best(1)[0] >= patience

    def end_epoch(self) -> None:
        """Takes down the mean loss of the epoch."""
        self.losses.append(self.epoch_loss / max(self.epoch_labels, 1))
        self.epoch_loss, self.epoch_labels = 0.0, 0

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.step / max(self.spent, 1e-9)

    @property
    def audio_rate(self) -> float:
        """Seconds of audio learned from in a second."""
        return self.heard / max(self.spent, 1e-9)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a training; the graph holds the weights that were best on the held-out rows."""

    before: tuple[str, ...]
    """What the base model heard in the held-out rows."""
    after: tuple[str, ...]
    """What the trained one hears."""
    best_epochs: tuple[int, ...]
    """The epoch whose weights were taken, or those whose weights were averaged."""
    epochs: int
    steps: int
    losses: tuple[float, ...]
    """Mean of each epoch, in nats per label."""
    audio_seconds_per_second: float
    padding: float
    """Share of the audio."""
    lost: Mapping[int, str]
    """Rows whose recording was gone when it was needed, with why."""
