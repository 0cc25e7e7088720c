"""Rows that nested statements leave for the queries around them: what is known of them before they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from query_service.planning.steps import Step, StreamRows, Transcribe
from thanosql.types import Snapshot


@dataclass(frozen=True, slots=True)
class Relation:
    """What stands in a query's FROM and is no table."""

    name: str
    columns: tuple[str, ...] | None
    """None where they are not known before its statement has run."""


@dataclass(frozen=True, slots=True)
class Surroundings(Snapshot):
    """The tables and models that there are, and the relations that the statements before leave."""

    relations: tuple[Relation, ...] = ()


def relations_in(snapshot: Snapshot) -> tuple[Relation, ...]:
    """The relations that a query may read besides the tables."""
    return snapshot.relations if isinstance(snapshot, Surroundings) else ()


def columns_of(steps: Sequence[Step]) -> tuple[str, ...] | None:
    """Names of the columns of the rows that the last of some steps gives; None where they are not known."""
    last = steps[-1]
    if isinstance(last, Transcribe):
        added = (last.result, last.confidence, last.words, last.error)
        names = last.query.columns
        return names and (*names, *(name.text for name in added if name is not None))
    if isinstance(last, StreamRows):
        return columns_of(last.steps) if last.query is None else last.query.columns
    columns: tuple[str, ...] | None = getattr(last, "COLUMNS", None)
    return columns
