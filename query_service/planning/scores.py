"""Turns wer(reference, hypothesis) and cer(…) into sums of what the table store counts.

Rates do not add up, counts do: the rate of any group of rows is the sum of its errors by the sum of its
words. Where SQL would take the call for an aggregate, it is the rate over all rows of the group; where
columns stand beside it that are not grouped, in WHERE, ON and SET, and inside another aggregate, that of a row.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from query_service.language.functions import AGGREGATES
from query_service.language.inner_query import Query
from query_service.language.nested import Nested
from query_service.language.source import Source, place_of
from query_service.language.statements import Delete, Statement, Update
from query_service.planning.statement_queries import change_queries
from thanosql.errors import StatementError
from thanosql.scoring_sql import CHARACTER_ERRORS, CHARACTERS, WORD_ERRORS, WORDS

SCORES: dict[str, tuple[str, str]] = {"wer": (WORD_ERRORS, WORDS), "cer": (CHARACTER_ERRORS, CHARACTERS)}
"""What each function is made of: the count of errors, and that of what the reference has."""

_OURS = "score"
"""Marks the calls of the store's functions that are written here: a user may not call them."""


def is_score_part(call: exp.Expr) -> bool:
    """Whether a call of one of the store's counting functions comes from here."""
    return bool(call.meta.get(_OURS))


def write_scores(statement: Statement, source: Source) -> Statement:
    """The statement with its rates written as sums, in its queries and in those of the statements inside it.

    Raises:
        StatementError: one has not two arguments.
    """
    # What an UPDATE or DELETE reads has the form of a SELECT, of which each row is for one row of the table.
    changed = isinstance(statement, (Update, Delete))
    return change_queries(statement, lambda query: _write_in_query(query, source, query.tree if changed else None))


def _write_in_query(query: Query, source: Source, row_by_row: exp.Expr | None) -> Query:
    nested = tuple(Nested(each.relation, write_scores(each.statement, source), each.at) for each in query.nested)
    tree = query.tree
    if any(map(_is_score, tree.find_all(exp.Anonymous))):
        tree = tree.copy()
        row_by_row = row_by_row and tree
        calls = [call for call in tree.find_all(exp.Anonymous) if _is_score(call)]
        # How each is meant is decided before any is replaced: what is written for one holds aggregates.
        meant = [(call, _is_over_rows(call, row_by_row), _name_for(call)) for call in calls]
        for call, over_rows, name in reversed(meant):
            _check_arguments(call, source, query.at)
            _write(call, over_rows, name)
    return replace(query, tree=tree, nested=nested)


def _is_score(call: exp.Anonymous) -> bool:
    return call.name.lower() in SCORES


def _check_arguments(call: exp.Anonymous, source: Source, otherwise: int) -> None:
    arguments = call.expressions
    if len(arguments) != 2 or any(isinstance(each, (exp.Distinct, exp.Star, exp.Order)) for each in arguments):
        name = call.name.lower()
        hint = f"The form is: {name}(reference, hypothesis), both texts: {name}(text, predicted)."
        raise source.error(StatementError, f"{name} takes two texts", place_of(call, otherwise), hint)


def _is_over_rows(call: exp.Anonymous, row_by_row: exp.Expr | None) -> bool:
    """Whether the call stands for the rate over many rows, not over one."""
    if isinstance(call.parent, (exp.Filter, exp.Window)) and call.arg_key == "this":
        return True
    node: exp.Expr = call
    while node.parent is not None and not isinstance(node.parent, exp.Select):
        node = node.parent
        if isinstance(node, (exp.Where, exp.Join, exp.Group)):
            return False
        if _is_aggregate(node) and not _is_windowed(node):
            return False
    return isinstance(node.parent, exp.Select) and node.parent is not row_by_row and _aggregates(node.parent)


def _is_windowed(call: exp.Expr) -> bool:
    """Whether a call of an aggregate has an OVER, and so leaves the rows apart."""
    while isinstance(call.parent, exp.Filter):
        call = call.parent
    return isinstance(call.parent, exp.Window) and call.arg_key == "this"


def _is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc)


def _aggregates(select: exp.Select) -> bool:
    """Whether a SELECT that holds a rate gives a row for each group, and not for each row of its FROM."""
    if select.args.get("group") or select.args.get("having"):
        return True
    if not select.args.get("from_"):
        return False
    aliases = {each.alias for each in select.expressions if isinstance(each, exp.Alias)}
    order = select.args.get("order")
    keys = order.expressions if order is not None else []
    return not any(_has_plain_column(each, aliases) for each in (*select.expressions, *keys))


def _has_plain_column(expression: exp.Expr, aliases: set[str]) -> bool:
    """Whether a column of the FROM is read row by row, outside of what sums rows up."""
    is_call = _is_aggregate(expression) or (isinstance(expression, exp.Anonymous) and _is_score(expression))
    if is_call and not _is_windowed(expression):
        return False
    if isinstance(expression, exp.Filter) and not _is_windowed(expression):
        return _has_plain_column(expression.this, aliases)
    if isinstance(expression, exp.Star):
        return not isinstance(expression.parent, exp.Count)
    if isinstance(expression, exp.Column):
        return bool(expression.table) or expression.name not in aliases
    if isinstance(expression, exp.Query):  # what it reads of the rows around it is not looked for
        return False
    return any(_has_plain_column(part, aliases) for part in expression.iter_expressions())


def _whole(call: exp.Expr) -> exp.Expr:
    """The call with its FILTER and OVER."""
    while isinstance(call.parent, (exp.Filter, exp.Window)) and call.arg_key == "this":
        call = call.parent
    return call


def _name_for(call: exp.Anonymous) -> str:
    """The name of the column where the call is one by itself: as in PostgreSQL, that of the function."""
    item = _whole(call)
    if not isinstance(item.parent, exp.Select) or item.arg_key != "expressions":
        return ""
    name = call.name.lower()
    items = item.parent.expressions
    before = items[: next(i for i, each in enumerate(items) if each is item)]
    same = sum(
        1
        for each in before
        for part in each.find_all(exp.Anonymous)
        if _whole(part) is each and part.name.lower() == name
    )
    return f"{name}_{same + 1}" if same else name


def _write(call: exp.Anonymous, over_rows: bool, name: str) -> None:
    """Puts the rate in the place of its call."""
    errors, length = (_count(each, call) for each in SCORES[call.name.lower()])
    whole = _whole(call)
    if over_rows:
        errors, length = (_within(call, exp.Sum(this=each)) for each in (errors, length))
    rate = exp.Div(
        this=exp.cast(errors, "double precision"),
        expression=exp.Greatest(this=length, expressions=[exp.Literal.number(1)], ignore_nulls=True),
        typed=False,
        safe=False,
    )
    whole.replace(exp.alias_(rate, name) if name else exp.Paren(this=rate))


def _within(call: exp.Expr, aggregate: exp.Expr) -> exp.Expr:
    """The aggregate with the FILTER and the OVER of the call."""
    while isinstance(call.parent, (exp.Filter, exp.Window)) and call.arg_key == "this":
        call = call.parent
        around = call.copy()
        around.set("this", aggregate)
        aggregate = around
    return aggregate


def _count(name: str, call: exp.Anonymous) -> exp.Expr:
    count = exp.Anonymous(this=name, expressions=[each.copy() for each in call.expressions])
    count.meta[_OURS] = True
    return count
