"""Decides by which engine and precision a model is served: the fastest whose transcripts stay as good as in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thanosql.precision import Judgement

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


def rank(paces: Sequence[Pace]) -> tuple[Pace, ...]:
    """What is worth listening to: clearly faster than the reference, the fastest first."""
    return tuple(sorted((p for p in paces if p.ratio >= CLEARLY_FASTER), key=lambda pace: -pace.ratio))


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
