"""Steps that keep rows for later ones, or hand them on as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from query_service.planning.steps.query import TableQuery

if TYPE_CHECKING:
    from query_service.planning.steps import Step


@dataclass(frozen=True, slots=True)
class KeepRows:
    """Keeps the rows that the last of some steps gives, for the queries of later steps."""

    TITLE: ClassVar[str] = "keep rows"

    relation: str
    """The name that those queries have for them."""
    steps: tuple[Step, ...]
    at: int = field(default=0, compare=False, repr=False)
    """Where the query of the nested statement, or the statement, begins in the user's text."""


@dataclass(frozen=True, slots=True)
class StreamRows:
    """Runs a query over the rows that the last of some steps gives, part by part as they come."""

    TITLE: ClassVar[str] = "stream rows"

    relation: str
    """The name that the query has for them."""
    steps: tuple[Step, ...]
    query: TableQuery | None
    """Each row of its result is made of one row; None: the rows are handed on as they are."""
    offset: int = 0
    """Rows of the result that are left out first."""
    limit: int | None = None
    """Most rows of the result: when they are there, the steps are stopped. None: all."""
    at: int = field(default=0, compare=False, repr=False)
    """Where the query of the nested statement, or the statement, begins in the user's text."""
