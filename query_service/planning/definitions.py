"""Names of WITH that a nested statement sees from inside a query, carried along into the query that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from query_service.language.inner_query import Query


def carry_definitions(query: Query, place: exp.Expr) -> Query:
    """The query of a nested statement, with the definitions of WITH that it reads and that the query around it has.

    Args:
        query: What the nested statement reads.
        place: What stands for the nested statement in the tree of the query around it.
    """
    wanted = _names(query)
    tree: exp.Query | None = None
    for with_, visible in definitions_at(place):
        needed: set[int] = set()
        while new := [each for each in visible if id(each) not in needed and _defined(each) in wanted]:
            needed |= set(map(id, new))
            wanted |= set().union(*map(_table_names, new))
        if needed:
            definitions = [each for each in visible if id(each) in needed]
            tree = _put_before(query.tree.copy() if tree is None else tree, with_, definitions)
    return query if tree is None else replace(query, tree=tree)


def definitions_at(place: exp.Expr) -> Iterator[tuple[exp.With, list[exp.CTE]]]:
    """Each WITH around a place, from the nearest out, with those of its definitions that can be seen from there."""
    inner, node = place, place.parent
    while node is not None:
        with_ = node if isinstance(node, exp.With) else node.args.get("with_")
        if isinstance(with_, exp.With) and with_ is not inner:
            visible: list[exp.CTE] = with_.expressions
            if node is with_ and not with_.args.get("recursive"):
                visible = visible[: next(i for i, each in enumerate(visible) if each is inner)]
            yield with_, visible
        inner, node = node, node.parent


def _put_before(tree: exp.Query, with_: exp.With, definitions: Sequence[exp.CTE]) -> exp.Query:
    # A query with a WITH of its own goes one level down: its names stay the nearer ones.
    if tree.args.get("with_"):
        tree = exp.select("*").from_(exp.alias_(exp.Subquery(this=tree), "rows", table=True))
    copies = [definition.copy() for definition in definitions]
    tree.set("with_", exp.With(expressions=copies, recursive=with_.args.get("recursive")))
    return tree


def _names(query: Query) -> set[str]:
    """What the query reads, and what the statements inside it read, names of its own WITH included."""
    names = _table_names(query.tree)
    for nested in query.nested:
        inner = getattr(nested.statement, "query", None)
        if isinstance(inner, Query):
            names |= _names(inner)
    return names


def _table_names(tree: exp.Expr) -> set[str]:
    return {fold(table.this) for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}


def _defined(definition: exp.CTE) -> str:
    return fold(definition.args["alias"].this)


def fold(name: exp.Expr) -> str:
    """A name as PostgreSQL folds it."""
    return name.name if name.args.get("quoted") else name.name.lower()
