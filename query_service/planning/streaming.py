"""Finds the queries that need not wait for all rows of a nested statement: each of their rows is made of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from query_service.language.inner_query import Query
from query_service.language.source import Source
from query_service.language.statements import Select, Statement
from query_service.planning.columns import check_query
from query_service.planning.places import Place, find_place
from query_service.planning.relations import Surroundings
from query_service.planning.row_by_row import count_of, is_row_by_row, keeps_rows, limits_of
from query_service.planning.steps import FetchRows, KeepRows, Step, StreamRows


def stream(
    statement: Statement,
    before: Sequence[KeepRows],
    steps: tuple[Step, ...],
    surroundings: Surroundings,
    source: Source,
) -> tuple[Step, ...]:
    """The whole plan; where a SELECT only filters and projects the rows that come last before it, they stream.

    Args:
        statement: With relations in place of the statements inside it.
        before: What keeps the rows of those.
        steps: The statement's own.
        surroundings: What its query may read.
        source: The user's text.
    """
    flow = None
    if before and isinstance(statement, Select) and isinstance(steps[-1], FetchRows):
        flow = find_flow(statement.query, before[-1], surroundings, source)
    return (*before, *steps) if flow is None else (*before[:-1], flow)


def find_flow(query: Query, kept: KeepRows, surroundings: Surroundings, source: Source) -> StreamRows | None:
    """A query as what is done to the rows of a relation as they come; None where it needs all of them, or others."""
    place = _only_source(query.tree, kept.relation)
    if place is None:
        return None
    select, through = place.select, None
    limit, offset = (count_of(select.args[part]) if select.args.get(part) else None for part in ("limit", "offset"))
    if select.args.get("where") is not None or not _is_all_columns(select):
        through = check_query(source, _over(query, place, kept.relation), surroundings).query
    return StreamRows(kept.relation, kept.steps, through, offset or 0, limit, kept.at)


def _only_source(tree: exp.Expr, relation: str) -> Place | None:
    """Where the relation stands, if all rows of the result are made of it, one of each."""
    tables = [table for table in tree.find_all(exp.Table) if table.name == relation]
    place = find_place(tree, tables[0]) if len(tables) == 1 else None
    if place is None or place.select is not tree or not place.is_alone() or not keeps_rows(place.select):
        return None
    where = place.select.args.get("where")
    if place.select.args.get("order") or any(count_of(limit) is None for limit in limits_of(place.select)):
        return None
    return place if where is None or is_row_by_row(where.this) else None


def _is_all_columns(select: exp.Select) -> bool:
    star = select.expressions[0]
    return len(select.expressions) == 1 and type(star) is exp.Star and not any(star.args.values())


def _over(query: Query, place: Place, relation: str) -> Query:
    """The query without its limits and definitions, straight over the relation."""
    tree = exp.Select(
        expressions=[each.copy() for each in place.select.expressions],
        from_=exp.From(this=exp.alias_(exp.to_table(relation), place.alias or relation, table=True)),
    )
    where = place.select.args.get("where")
    if where is not None:
        tree.set("where", where.copy())
    return replace(query, tree=tree)
