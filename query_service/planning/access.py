"""What a query may read: the tables of the snapshot, and functions that compute from their arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from query_service.language.functions import ALLOWED, COMMON, REFUSED, TABLE_FUNCTIONS
from query_service.language.inner_query import Query
from query_service.language.source import Source, nearest, place_of, suggest
from query_service.planning.relations import relations_in
from query_service.planning.scores import SCORES, is_score_part
from thanosql.errors import NotSupported, UnknownTable
from thanosql.types import Snapshot


def check_tables(source: Source, query: Query, snapshot: Snapshot) -> None:
    """Whatever stands in FROM must be a table of the snapshot, a name of WITH, or a query.

    Raises:
        UnknownTable, NotSupported: it is something else.
    """
    tables = {table.name for table in snapshot.tables} | {each.name for each in relations_in(snapshot)}
    if snapshot.sql_dialect == "duckdb":  # whose names are the same in any case
        tables |= {name.lower() for name in tables}
    positions: dict[int, dict[str, int]] = {}
    for item in _from_items(query.tree):
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            name = _folded(item.this)
            if item.args.get("db") or not (name in tables or _is_name_of_with(item, name, positions)):
                raise _unknown_table(source, query, item, snapshot)
            continue
        function = item.this if isinstance(item, (exp.Table, exp.Lateral)) else item
        if not isinstance(function, (exp.Subquery, exp.Values, exp.Query, exp.Table, *TABLE_FUNCTIONS)):
            at = place_of(item, query.at)
            hint = (
                "A query reads tables, other queries, unnest(…) and generate_series(…). Files: COPY table FROM 'path'."
            )
            raise source.error(NotSupported, f"{_written_at(source, at)} cannot stand in FROM", at, hint)


def _unknown_table(source: Source, query: Query, table: exp.Table, snapshot: Snapshot) -> UnknownTable:
    names = sorted(each.name for each in snapshot.tables)
    hint = suggest(table.name, names, "tables")
    if table.name.upper() == "LIST":
        hint = "A list stands in parentheses: (LIST MODELS)."
    if table.args.get("db"):
        schema = table.args["db"]
        message = f"{schema.name}.{table.name}: tables have no schema here"
        return source.error(UnknownTable, message, place_of(schema, query.at), hint)
    if not names or "." in table.name:
        hint += " A file is read into a table first: COPY table FROM 'file.csv'."
    return source.error(UnknownTable, f"there is no table {table.name}", place_of(table, query.at), hint)


def _from_items(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Everything that stands where a table stands, and every table wherever it stands."""
    for node in tree.walk():
        if isinstance(node, (exp.From, exp.Join)):
            if not isinstance(node.this, exp.Table):
                yield node.this
        elif isinstance(node, (exp.Table, exp.Lateral)):
            yield node


def _is_name_of_with(table: exp.Table, name: str, positions: dict[int, dict[str, int]]) -> bool:
    """Whether a WITH around the table defines the name: before it, or, with RECURSIVE, where the table stands."""
    inner: exp.Expr = table
    node = table.parent
    while node is not None:
        with_ = node if isinstance(node, exp.With) else node.args.get("with_")
        if with_ is not None and with_ is not inner:
            if id(with_) not in positions:
                positions[id(with_)] = {_folded(each.args["alias"].this): i for i, each in enumerate(with_.expressions)}
            at = positions[id(with_)].get(name)
            if at is not None and node is not with_:
                return True
            if at is not None and isinstance(inner, exp.CTE):
                own = positions[id(with_)][_folded(inner.args["alias"].this)]
                if at < own or (at == own and with_.args.get("recursive")):
                    return True
        inner, node = node, node.parent
    return False


def _written_at(source: Source, at: int) -> str:
    """The word that stands there."""
    return (re.compile(r"\w*").match(source.text, at) or [""])[0] or "this"


def _folded(name: exp.Expr) -> str:
    return name.name if name.args.get("quoted") else name.name.lower()


def check_functions(source: Source, query: Query) -> None:
    """Whatever is called must be known to reach nothing but its arguments.

    Raises:
        NotSupported: it is not.
    """
    for node in query.tree.find_all(exp.Func, exp.Dot):
        if isinstance(node, exp.Dot):
            if isinstance(node.expression, exp.Func):
                hint = "Write the function's name alone."
                raise source.error(NotSupported, "functions have no schema here", place_of(node, query.at), hint)
        elif isinstance(node, REFUSED):
            at = place_of(node, query.at)
            hint = "A query reads tables only. Files: COPY table FROM 'path'."
            raise source.error(NotSupported, f"the function {_written_at(source, at)} may not be called", at, hint)
        elif isinstance(node, exp.Anonymous) and node.name.lower() not in ALLOWED and not is_score_part(node):
            near = nearest(node.name, (*COMMON, *SCORES, *ALLOWED))
            hint = f"Did you mean {near}?" if near else "Functions that read files or settings are refused."
            message = f"there is no function {node.name.lower()} here"
            raise source.error(NotSupported, message, place_of(node, query.at), hint)
