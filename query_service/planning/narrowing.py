"""Takes into the query of a nested PREDICT what the query around it asks of the rows, so that fewer are transcribed.

A condition that needs no transcript is met before the model runs, and so is a LIMIT where nothing else
stands between; an order over columns of the inner query is made there, so that the rows come in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlglot import exp

from query_service.language.inner_query import Query
from query_service.language.nested import Nested
from query_service.language.statements import Predict, Select, Statement
from query_service.planning.inner_columns import INNER, InnerColumns, Known, added_columns, predicted_meanings
from query_service.planning.places import find_place
from query_service.planning.row_by_row import count_of, is_row_by_row, keeps_rows, limits_of
from query_service.planning.sinking import sink, take_away
from query_service.planning.statement_queries import change_queries


@dataclass(slots=True)
class _Demands:
    """What the rows of an inner query must meet, in its own columns."""

    conditions: list[exp.Expr] = field(default_factory=list)
    order: list[exp.Expr] = field(default_factory=list)
    limit: exp.Expr | None = None
    offset: exp.Expr | None = None


def narrow(statement: Statement, known: Known) -> Statement:
    """The statement with fewer rows in the PREDICTs inside it; the same object where none can be narrowed."""
    return change_queries(statement, lambda query: _narrow_query(query, known, isinstance(statement, Select)))


def _narrow_query(query: Query, known: Known, streams: bool) -> Query:
    if not query.nested:
        return query
    tree = query.tree.copy()
    places = {table.name: table for table in tree.find_all(exp.Table)}
    nested = tuple(_narrow_nested(each, tree, places[each.relation], known, streams) for each in query.nested)
    if all(new is old for new, old in zip(nested, query.nested, strict=True)):
        return query
    return replace(query, tree=tree, nested=nested)


def _narrow_nested(nested: Nested, tree: exp.Expr, relation: exp.Table, known: Known, streams: bool) -> Nested:
    statement = nested.statement
    columns = known.inner.get(nested.relation)
    if isinstance(statement, Predict) and columns:
        sink(tree, relation, (*columns, *(name.text for name in added_columns(statement))), known)
    place = find_place(tree, relation)
    if isinstance(statement, Predict) and columns and place is not None:
        is_whole = place.select is tree
        streams = is_whole and (streams or bool(limits_of(place.select)))
        demands = _take_demands(InnerColumns(place, predicted_meanings(columns, statement, known), known), streams)
        if demands is not None:
            statement = replace(statement, query=_put_on(statement.query, demands))
    narrowed = narrow(statement, known)
    return nested if narrowed is nested.statement else replace(nested, statement=narrowed)


def _take_demands(columns: InnerColumns, streams: bool) -> _Demands | None:
    """What the inner query can meet; conditions of WHERE, and limits, are taken away where they stood.

    Args:
        columns: Those of the inner query.
        streams: The rows may be handed on as they come, in their order.
    """
    place, select = columns.place, columns.place.select
    demands = _Demands()
    for holder, condition in list(place.filters()):
        inner = columns.translate(condition)
        if inner is not None:
            demands.conditions.append(inner)
            if isinstance(holder, exp.Where):
                take_away(select, condition)
    if place.is_alone() and keeps_rows(select):
        _take_limits(select, columns, demands, streams)
    return demands if demands.conditions or demands.order or demands.limit or demands.offset else None


def _take_limits(select: exp.Select, columns: InnerColumns, demands: _Demands, streams: bool) -> None:
    where, order = select.args.get("where"), select.args.get("order")
    limits = limits_of(select)
    keys = [columns.translate_key(key) for key in order.expressions] if order is not None else []
    if not all(count_of(limit) is not None for limit in limits) or any(key is None for key in keys):
        return
    if limits and (where is None or count_of(limits[0]) == 0):
        demands.order = [key for key in keys if key is not None]
        demands.limit, demands.offset = select.args.get("limit"), select.args.get("offset")
        select.set("limit", None)
        select.set("offset", None)
    elif streams and (where is None or is_row_by_row(where.this)):
        demands.order = [key for key in keys if key is not None]
    if streams and demands.order:
        select.set("order", None)


def _put_on(query: Query, demands: _Demands) -> Query:
    """`SELECT * FROM (query) AS rows WHERE … ORDER BY … LIMIT …`."""
    inner = query.tree.copy()
    while isinstance(inner, exp.Subquery) and not any(value for name, value in inner.args.items() if name != "this"):
        inner = inner.this
    tree = exp.select("*").from_(exp.alias_(exp.Subquery(this=inner), INNER, table=True))
    if demands.conditions:
        tree = tree.where(*demands.conditions, copy=False)
    if demands.order:
        tree.set("order", exp.Order(expressions=demands.order))
    for part, limit in (("limit", demands.limit), ("offset", demands.offset)):
        tree.set(part, limit and limit.copy())
    return replace(query, tree=tree)
