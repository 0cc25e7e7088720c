"""What a training says when it cannot go on with a step: a loss that is no number, or too little memory."""

from __future__ import annotations

from collections.abc import Sequence

from thanosql.errors import JobFailed
from thanosql.types import Notice, Severity
from trainer_service.training.augmentation import Clip

SHOWN = 5
"""Rows that are named."""


def name_rows(clips: Sequence[Clip]) -> str:
    """Rows of the query, counted from 1, with their recordings."""
    shown = ", ".join(f"row {clip.utterance.row + 1} ({clip.utterance.audio_path!r})" for clip in clips[:SHOWN])
    return shown + (f" and {len(clips) - SHOWN} more" if len(clips) > SHOWN else "")


def diverged(step: int, rows: str, what: str = "loss") -> JobFailed:
    """The error for a step (counted from 1) whose loss or gradient is no number."""
    return JobFailed(
        f"the training diverged: at step {step} the {what} is not a number any more, in {rows}",
        hint="Try a smaller learning_rate; if it is always the same row, leave that row out of the query.",
    )


def too_long(clip: Clip, seconds: float) -> JobFailed:
    """The error for a clip that alone is more than memory holds."""
    return JobFailed(
        f"memory ran out with a single recording of {seconds:.1f} s: {name_rows([clip])}",
        hint=f"Leave out recordings of {seconds:.0f} s and longer, cut them, or train where there is more memory.",
    )


def halved(before: float, after: float, longest: float) -> Notice:
    """What the user is told when a step ran out of memory and is taken again.

    Args:
        before: Padded seconds that were computed at once.
        after: Padded seconds from now on.
        longest: Seconds of the longest clip of the step.
    """
    rows = max(1, int(after / longest)) if longest else 1
    return Notice(
        f"Memory ran out with {before:.0f} s of audio at once. The step is taken again in parts of {after:.0f} s, "
        f"about {rows} rows, and so are those to come; the result is the same, only slower. batch_size={rows} makes "
        "steps that small.",
        Severity.WARNING,
    )
