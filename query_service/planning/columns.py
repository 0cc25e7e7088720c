"""Checks the columns of a query against the tables that there are, and tells those of its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from query_service.language.inner_query import Query
from query_service.language.source import Source, place_of, suggest
from query_service.language.tokens import StatementDialect
from query_service.planning.access import check_functions, check_tables
from query_service.planning.relations import relations_in
from query_service.planning.spelling import spell_names
from query_service.planning.steps.query import TableQuery
from query_service.planning.translation import Shape, name_columns, translate
from thanosql.errors import NotSupported, StatementError, UnknownColumn, UnknownTable
from thanosql.types import Snapshot

LONGEST_CHECKED = 3_000
"""Tokens of a query whose columns are checked here; sqlglot's time for it grows with the square of the length."""

_UNNAMED = "_col_"
"""What sqlglot calls a column that has no name of its own."""

Sources = Mapping[str, tuple[str, ...] | None]
"""What stands in FROM, by name, with its columns where they are known."""


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A query that may run."""

    query: TableQuery
    """In the SQL of the table store."""
    columns: tuple[str, ...] | None
    """Names of the result's columns where all are known before it runs; a column without a name is left out."""
    count: int | None
    """How many columns there are, where it is known."""


def check_query(source: Source, query: Query, snapshot: Snapshot, shape: Shape | None = None) -> CheckedQuery:
    """What the table store is asked, once it is known to read only tables that are there.

    Args:
        source: The user's text.
        query: What was read.
        snapshot: What there is.
        shape: Makes of the query what the store is asked, where that is no query.

    Raises:
        UnknownTable, UnknownColumn: with the nearest name and the place in the text.
        NotSupported: a function or a form of SQL that may not or cannot run here.
    """
    query = spell_names(query, snapshot)
    try:
        check_tables(source, query, snapshot)
        check_functions(source, query)
        tree = query.tree.copy()
        name_columns(tree)
        columns = None if query.length > LONGEST_CHECKED else _check_columns(source, tree, query.at, snapshot)
        sql = translate(source, query.at, tree, snapshot.sql_dialect, shape)
    except RecursionError as error:
        hint = "Split it with WITH … AS (…), or put long lists of values into a table."
        raise source.error(NotSupported, "the query is nested too deeply", query.at, hint) from error
    complete = columns if columns and not any(name.startswith(_UNNAMED) for name in columns) else None
    named = columns and tuple(name for name in columns if not name.startswith(_UNNAMED))
    return CheckedQuery(
        TableQuery(sql, _relations_read(query, snapshot), complete), named, None if columns is None else len(columns)
    )


def _relations_read(query: Query, snapshot: Snapshot) -> tuple[str, ...]:
    there = {relation.name for relation in relations_in(snapshot)}
    read = (table.name for table in query.tree.find_all(exp.Table))
    return tuple(dict.fromkeys(sorted(name for name in read if name in there)))


def _check_columns(source: Source, tree: exp.Query, at: int, snapshot: Snapshot) -> tuple[str, ...] | None:
    """Names of the result's columns; None where they cannot be told before the query runs.

    A column without a name has one that begins with `_UNNAMED`.

    Only what is certainly wrong is refused here: the table store has the last word.
    """
    # DuckDB's names are the same in any case; PostgreSQL's are not.
    fold = str.lower if snapshot.sql_dialect == "duckdb" else str
    tables = {fold(t.name): {fold(c.name): c.type for c in t.columns} for t in snapshot.tables}
    for relation in relations_in(snapshot):
        if relation.columns is not None:
            tables[relation.name] = {fold(name): "unknown" for name in relation.columns}
    try:
        qualified = qualify(
            tree.copy(),
            dialect=snapshot.sql_dialect if fold is str.lower else StatementDialect,
            schema=MappingSchema(dict(tables), dialect=snapshot.sql_dialect, normalize=False),
            allow_partial_qualification=True,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        selects = [scope for scope in traverse_scope(qualified) if isinstance(scope.expression, exp.Select)]
        sources = {id(scope.expression): _sources_of(scope, tables) for scope in selects}
        # A column of a subquery may belong to a query around it, so it is judged with the outermost one.
        used = [(sources[id(scope.expression)], scope.columns) for scope in selects if not scope.is_subquery]
        names = tuple(qualified.named_selects)
    except RecursionError:
        raise
    except Exception:  # sqlglot's `qualify` refuses and trips over queries that a table store may well understand
        return None
    for nearest_sources, columns in used:
        for column in columns:
            # Most columns are found at once; the others are looked up in the queries around them.
            if column.name not in (nearest_sources.get(column.table) or ()):
                _check_column(source, column, sources, at)
    return None if not names or "*" in names else names


def _sources_of(scope: Scope, tables: Mapping[str, Mapping[str, str]]) -> Sources:
    return {name: _columns_of(each, tables) for name, (_, each) in scope.selected_sources.items()}


def _check_column(source: Source, column: exp.Column, sources: Mapping[int, Sources], otherwise: int) -> None:
    visible: dict[str, tuple[str, ...] | None] = {}
    select = column.parent_select
    while select is not None:
        nearer = sources.get(id(select), {})
        owners = [name for name, columns in nearer.items() if columns is not None and column.name in columns]
        if not column.table and len(owners) > 1:
            choice = " or ".join(f"{name}.{column.name}" for name in owners)
            at = place_of(column, otherwise)
            raise source.error(StatementError, f"the column {column.name} is ambiguous", at, f"Write {choice}.")
        if not column.table and owners:
            return
        visible = {**visible, **{name: columns for name, columns in nearer.items() if name not in visible}}
        select = select.parent_select
    if column.table:
        _check_qualified_column(source, column, visible, otherwise)
    elif column.name not in visible and all(columns is not None for columns in visible.values()):
        there = list(dict.fromkeys(name for columns in visible.values() for name in columns or ()))
        hint = suggest(column.name, there, "columns") if there else "The query reads no table."
        if column.this.args.get("quoted"):
            hint = f"A text stands in single quotes: '{column.name}'. {hint}"
        at = place_of(column, otherwise)
        raise source.error(UnknownColumn, f"there is no column {column.name}", at, hint)


def _check_qualified_column(source: Source, column: exp.Column, visible: Sources, otherwise: int) -> None:
    if column.table not in visible:
        message = f"there is no table {column.table} in this query's FROM"
        at = place_of(column.args["table"], otherwise)
        raise source.error(UnknownTable, message, at, suggest(column.table, list(visible), "tables there"))
    there = visible[column.table]
    if there is not None and column.name not in there:
        message = f"{column.table} has no column {column.name}"
        hint = suggest(column.name, there, "columns")
        raise source.error(UnknownColumn, message, place_of(column.this, otherwise), hint)


def _columns_of(each: exp.Expr | Scope, tables: Mapping[str, Mapping[str, str]]) -> tuple[str, ...] | None:
    if isinstance(each, exp.Table):
        alias = each.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            return tuple(column.name for column in alias.args["columns"])
        found = tables.get(each.name)
        return tuple(found) if found is not None else None
    expression = each.expression
    names: Iterable[str] = expression.named_selects if isinstance(expression, exp.Query) else ()
    columns = tuple(names)
    return None if not columns or "*" in columns else columns
