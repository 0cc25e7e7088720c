"""Says when a training gets nowhere, in words that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence

EMPTY_SHARE = 0.9
"""Share of transcripts without a word from which on a model is said to hear nothing."""
LEAST_GAIN = 0.01
"""Share by which the loss of an epoch must fall to count as falling."""


def find_plateau(texts: Sequence[str], losses: Sequence[float]) -> str:
    """What to tell the user after an epoch; empty where the training goes as it should.

    Args:
        texts: What the model hears in the held-out rows now.
        losses: Mean loss of each epoch so far, in nats per label.
    """
    empty = sum(not text.strip() for text in texts)
    if texts and empty >= EMPTY_SHARE * len(texts):
        return (
            f"The model writes nothing for {empty} of {len(texts)} held-out rows: the plateau of blanks, which every "
            "CTC model with a new alphabet passes through. If the loss does not fall below 2.5 in the next epochs, "
            "raise learning_rate or epochs, or give more rows."
        )
    if len(losses) >= 3 and all(
        after > (1 - LEAST_GAIN) * before for before, after in zip(losses[-3:], losses[-2:], strict=False)
    ):
        return (
            f"The loss has not fallen for two epochs ({losses[-3]:.3g}, {losses[-2]:.3g}, {losses[-1]:.3g}): more "
            "epochs will hardly help. early_stopping=True ends such a training; more or more varied rows may help."
        )
    return ""
