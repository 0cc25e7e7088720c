"""A query of the table store, as a step asks it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableQuery:
    """One query, in the SQL of the table store."""

    sql: str
    relations: tuple[str, ...] = ()
    """What stands in its FROM and is no table: rows that earlier steps of the plan have left under these names."""
