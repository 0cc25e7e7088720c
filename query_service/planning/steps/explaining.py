"""The step that tells of other steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from query_service.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class ExplainPlan:
    """Tells what the steps of a plan would do; none is carried out."""

    TITLE: ClassVar[str] = "explain plan"

    plan: Plan
    at: int
    """Where the query of the statement, or the statement, begins in the user's text."""
