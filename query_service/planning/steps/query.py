"""A query of the table store, as a step asks it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TableQuery:
    """One query, in the SQL of the table store."""

    sql: str
    relations: tuple[str, ...] = ()
    """What stands in its FROM and is no table: rows that earlier steps of the plan have left under these names."""
    columns: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    """Names of the result's columns; None where not all of them are known before it runs."""
