"""What a query may read: the tables of the snapshot, and functions that compute from their arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from query_service.functions import ALLOWED, COMMON, REFUSED, TABLE_FUNCTIONS
from query_service.inner_query import Query, place_of
from query_service.source import Source, nearest, suggest
from thanosql.errors import NotSupported, UnknownTable
from thanosql.types import Snapshot


def check_tables(source: Source, query: Query, snapshot: Snapshot) -> None:
    """Whatever stands in FROM must be a table of the snapshot, a name of WITH, or a query.

    Raises:
        UnknownTable, NotSupported: it is something else.
    """
    tables = {table.name for table in snapshot.tables}
    folded = {name.lower() for name in tables}
    for item in _from_items(query.tree):
        at = place_of(item, query.at)
        if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
            name = item.name if item.this.quoted else item.name.lower()
            if item.args.get("db"):
                message = f"{item.args['db'].name}.{item.name}: tables have no schema here"
                at = place_of(item.args["db"], at)
                raise source.error(UnknownTable, message, at, suggest(item.name, sorted(tables), "tables"))
            if name in _visible_names(item) or name in tables or (snapshot.sql_dialect == "duckdb" and name in folded):
                continue
            hint = suggest(item.name, sorted(tables), "tables")
            if not tables or "." in name:
                hint += " A file is read into a table first: COPY table FROM 'file.csv'."
            raise source.error(UnknownTable, f"there is no table {item.name}", at, hint)
        function = item.this if isinstance(item, (exp.Table, exp.Lateral)) else item
        if isinstance(function, (exp.Subquery, exp.Values, exp.Query, exp.Table, *TABLE_FUNCTIONS)):
            continue
        message = f"{_written_at(source, at)} cannot stand in FROM"
        hint = "A query reads tables, other queries, unnest(…) and generate_series(…). Files: COPY table FROM 'path'."
        raise source.error(NotSupported, message, at, hint)


def _from_items(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Everything that stands where a table stands, and every table wherever it stands."""
    for node in tree.walk():
        if isinstance(node, (exp.From, exp.Join)):
            if not isinstance(node.this, exp.Table):
                yield node.this
        elif isinstance(node, (exp.Table, exp.Lateral)):
            yield node


def _visible_names(table: exp.Table) -> set[str]:
    """Names of WITH that a table's name may stand for: those before it, around it, and, with RECURSIVE, its own."""
    names: set[str] = set()
    inner: exp.Expr = table
    node = table.parent
    while node is not None:
        if isinstance(node, exp.With):
            for each in node.expressions:
                if each is inner and not node.args.get("recursive"):
                    break
                names.add(_folded(each.args["alias"].this))
                if each is inner:
                    break
        else:
            with_ = node.args.get("with_") or node.args.get("with")
            if with_ is not None and with_ is not inner:
                names.update(_folded(each.args["alias"].this) for each in with_.expressions)
        inner, node = node, node.parent
    return names


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
        at = place_of(node, query.at)
        if isinstance(node, exp.Dot):
            if isinstance(node.expression, exp.Func):
                raise source.error(
                    NotSupported, "functions have no schema here", at, "Write the function's name alone."
                )
        elif isinstance(node, REFUSED):
            hint = "A query reads tables only. Files: COPY table FROM 'path'."
            raise source.error(NotSupported, f"the function {_written_at(source, at)} may not be called", at, hint)
        elif isinstance(node, exp.Anonymous) and node.name.lower() not in ALLOWED:
            near = nearest(node.name, (*COMMON, *ALLOWED))
            hint = f"Did you mean {near}?" if near else "Functions that read files or settings are refused."
            raise source.error(NotSupported, f"there is no function {node.name.lower()} here", at, hint)
