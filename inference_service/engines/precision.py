"""Decides by which engine and precision a model is served: the fastest whose transcripts stay as good as in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thanosql.scoring import ErrorCounts, word_errors

LIMIT = 0.003
"""Word error rate, as a fraction, that may be lost against fp32: about what trainings with other seeds differ by (a
standard deviation of 0.0019 over eight of them; NVIDIA)."""
CLEARLY_FASTER = 1.05
"""Times as fast as fp32 that is worth other results."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an engine computes in a precision, against the reference measured in turn with it."""

    engine: str
    precision: str
    ratio: float = 0.0
    """Times as fast as the reference."""
    problem: str = ""
    """Why it was not measured."""

    @property
    def name(self) -> str:
        """As it is written in a report."""
        return f"{self.engine} in {self.precision}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether what was heard is as good as what the reference heard."""

    passes: bool
    reason: str


def rank(paces: Sequence[Pace]) -> tuple[Pace, ...]:
    """What is worth listening to: clearly faster than the reference, the fastest first."""
    return tuple(sorted((p for p in paces if p.ratio >= CLEARLY_FASTER), key=lambda pace: -pace.ratio))


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What serves a model."""

    engine: str
    precision: str
    report: str
    """What was measured and why this was chosen, in words."""


def decide(reference: Pace, paces: Sequence[Pace], judgements: Sequence[tuple[Pace, Judgement]]) -> Decision:
    """The fastest that passed, else the reference.

    Args:
        reference: fp32.
        paces: Everything else.
        judgements: Of those that were listened to.
    """
    judged = dict(judgements)
    passed = [pace for pace in rank(paces) if pace in judged and judged[pace].passes]
    chosen = passed[0] if passed else reference
    said = [f"{reference.name} is the reference"]
    for pace in sorted(paces, key=lambda pace: -pace.ratio):
        if pace.problem:
            said.append(f"{pace.name}: {pace.problem}")
            continue
        verdict = ""
        if pace in judged:
            verdict = f", {judged[pace].reason}"
        elif pace.ratio < CLEARLY_FASTER:
            verdict = ", which is not clearly faster"
        said.append(f"{pace.name} computes {pace.ratio:.2f} times as fast{verdict}")
    return Decision(chosen.engine, chosen.precision, f"{chosen.name} is chosen: {'; '.join(said)}")


def _errors(spoken: Sequence[str | None], texts: Sequence[str], places: Sequence[int]) -> ErrorCounts:
    return word_errors([spoken[place] or "" for place in places], [texts[place] for place in places])
