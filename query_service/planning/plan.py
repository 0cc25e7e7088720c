"""What a statement will do: a tuple of frozen steps, decided before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.planning.steps import Step
from thanosql.types import Notice


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one statement, in order."""

    kind: str
    """What the statement is called: "BUILD MODEL"."""
    steps: tuple[Step, ...]
    notices: tuple[Notice, ...] = ()
    """What the user is told before the first step."""
