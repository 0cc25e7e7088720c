"""Columns beside aggregates that are not grouped by, and aggregates in WHERE: told before the query runs."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from query_service.language.source import Source, place_of
from thanosql.errors import StatementError

_TRANSPARENT = (
    *(exp.Alias, exp.Paren, exp.Binary, exp.Unary, exp.Cast, exp.Case, exp.If, exp.Coalesce, exp.Concat, exp.Upper),
    *(exp.Lower, exp.Round, exp.Abs, exp.Length, exp.Trim, exp.Substring, exp.Between, exp.Is, exp.Like, exp.ILike),
)
"""What certainly aggregates nothing, so that columns inside must be grouped by. Of all else the store is asked."""
_AGGREGATES = (exp.AggFunc, exp.Filter, exp.WithinGroup)
_WITHOUT_LIST = ("all", "rollup", "cube", "grouping_sets", "totals")


def check_grouping(source: Source, tree: exp.Expr, at: int) -> None:
    """Refuses what is certainly wrong; the table store has the last word.

    Raises:
        StatementError: a column stands beside an aggregate without GROUP BY, or an aggregate in WHERE.
    """
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        aggregate = next(_aggregates(where.this), None) if isinstance(where, exp.Where) else None
        if aggregate is not None:
            name = aggregate.sql_name().lower() if isinstance(aggregate, exp.Func) else "an aggregate"
            hint = "WHERE chooses rows before they are aggregated: write HAVING behind GROUP BY."
            message = f"{name} cannot stand in WHERE"
            raise source.error(StatementError, message, place_of(aggregate, at), hint)
        if _stands_alone(select):
            _check_outputs(source, select, at)


def _stands_alone(select: exp.Select) -> bool:
    """Whether it can name no column of a query around it: it is the whole query, or stands in FROM or WITH."""
    node: exp.Expr | None = select.parent
    while isinstance(node, (exp.Subquery, exp.SetOperation)):
        node = node.parent
    return node is None or isinstance(node, (exp.From, exp.Join, exp.CTE))


def _check_outputs(source: Source, select: exp.Select, at: int) -> None:
    group = select.args.get("group")
    if group is None and not any(True for each in select.expressions for _ in _aggregates(each)):
        return
    if group is not None and any(group.args.get(each) for each in _WITHOUT_LIST):
        return
    grouped: list[exp.Expr] = list(group.expressions) if group is not None else []
    names = {each.name.lower() for each in grouped if isinstance(each, exp.Column)}
    for number, output in enumerate(select.expressions, 1):
        by_number = any(isinstance(each, exp.Literal) and each.name == str(number) for each in grouped)
        if by_number or output.alias.lower() in names:
            continue
        for column in _bare_columns(output, grouped):
            if isinstance(column, exp.Star):
                if group is None:
                    hint = "Name the columns to group by: SELECT column, count(*) … GROUP BY column."
                    raise source.error(StatementError, "* cannot stand beside an aggregate", place_of(output, at), hint)
            elif column.name.lower() not in names:
                written = column.sql()
                hint = f"Write GROUP BY {written}, or put it into an aggregate such as max({written})."
                if group is not None:
                    hint = f"Add {written} to GROUP BY, or put it into an aggregate such as max({written})."
                message = f"the column {written} stands neither in GROUP BY nor in an aggregate"
                raise source.error(StatementError, message, place_of(column, at), hint)


def _aggregates(node: exp.Expr) -> Iterator[exp.Expr]:
    """The aggregates in an expression, but not those of window functions and of queries in it."""
    opaque = (*_AGGREGATES, exp.Window, exp.Query, exp.Subquery)
    for part in node.walk(prune=lambda each: isinstance(each, opaque)):
        if isinstance(part, _AGGREGATES):
            yield part.this if isinstance(part, (exp.Filter, exp.WithinGroup)) else part


def _bare_columns(output: exp.Expr, grouped: list[exp.Expr]) -> Iterator[exp.Expr]:
    """The columns of an output that certainly stand in no aggregate, from left to right, and `*`."""
    waiting = [output]  # not recursive: a condition of thousands of parts is as deep
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Dot) or node in grouped:
            continue
        if isinstance(node, exp.Column):
            yield node.this if isinstance(node.this, exp.Star) else node
        elif isinstance(node, exp.Star):
            yield node
        elif isinstance(node, _TRANSPARENT):
            waiting += reversed(list(node.iter_expressions()))
