"""The queries that a statement holds, and the statement with others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from query_service.language.inner_query import Query
from query_service.language.statements import Statement


def queries_of(statement: Statement) -> Iterator[tuple[str, Query]]:
    """The queries of a statement, each with the name of the field that holds it."""
    for each in fields(statement):
        value = getattr(statement, each.name)
        if isinstance(value, Query):
            yield each.name, value


def change_queries(statement: Statement, change: Callable[[Query], Query]) -> Statement:
    """The statement with each of its queries changed; the same object where none is another one then."""
    changed: dict[str, Any] = {}
    for name, query in queries_of(statement):
        new = change(query)
        if new is not query:
            changed[name] = new
    return replace(statement, **changed) if changed else statement
