"""Whether a model hears as well in another precision as in fp32: what trainer_service and inference_service go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thanosql.scoring import ErrorCounts, word_errors

LIMIT = 0.003
"""Word error rate, as a fraction, that may be lost against fp32: about what trainings with other seeds differ by (a
standard deviation of 0.0019 over eight of them; NVIDIA)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether what was heard is as good as what the reference heard."""

    passes: bool
    reason: str


def judge(spoken: Sequence[str | None], exact: Sequence[str], heard: Sequence[str]) -> Judgement:
    """Compares transcripts of the same clips.

    Args:
        spoken: What each clip says; None where it is not known.
        exact: What the reference hears.
        heard: What is heard in the precision in question.
    """
    known = [place for place, text in enumerate(spoken) if text is not None]
    unknown = [place for place, text in enumerate(spoken) if text is None]
    differing = sum(exact[place] != heard[place] for place in unknown)
    said = []
    passes = not differing
    if known:
        before, after = (_errors(spoken, texts, known) for texts in (exact, heard))
        passes = passes and after.rate - before.rate <= LIMIT
        text = f"word error rate {after.rate:.2%} against {before.rate:.2%} over {before.length} words"
        said.append(
            text if after.rate - before.rate <= LIMIT else f"{text}, beyond the limit of {LIMIT * 100:.1f} points"
        )
    if unknown:
        said.append(f"{differing} of {len(unknown)} texts without a reference differ")
    return Judgement(passes, ", ".join(said))


def _errors(spoken: Sequence[str | None], texts: Sequence[str], places: Sequence[int]) -> ErrorCounts:
    return word_errors([spoken[place] or "" for place in places], [texts[place] for place in places])
