"""UPDATE and DELETE, read as the query of the rows that they change: what they read is checked as any query is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.tokenizer_core import Token

from query_service.language.inner_query import Query, check_parts, parse_tokens
from query_service.language.nested import Nesting
from query_service.language.options import Name
from query_service.language.source import Source, place_of
from thanosql.errors import NotSupported, StatementSyntaxError


@dataclass(frozen=True, slots=True)
class Change:
    """An UPDATE or DELETE that was read."""

    columns: tuple[Name, ...]
    """Those that get new values; none where rows are deleted."""
    query: Query
    """A SELECT of the new values, over the table that is changed, which stands first, and what is read beside it."""
    has_where: bool
    at: int = field(compare=False, repr=False)


def read_change(source: Source, tokens: Sequence[Token], nesting: Nesting) -> Change:
    """Reads the tokens of a whole UPDATE or DELETE.

    Raises:
        StatementSyntaxError, NotSupported: they are something else, or hold what cannot be run here.
    """
    start, end = tokens[0].start, tokens[-1].end + 1
    tree, length, nested = parse_tokens(source, tokens, nesting)
    if not isinstance(tree, (exp.Update, exp.Delete)):
        raise source.error(StatementSyntaxError, "the statement cannot be understood", start)
    _refuse_parts(source, tree, start)
    pairs = list(_assignments(source, tree, start)) if isinstance(tree, exp.Update) else []
    select = exp.Select(expressions=[value for _, value in pairs] or [exp.Literal.number(1)])
    select.set("from_", exp.From(this=tree.this))
    select.set("joins", list(_read_beside(tree)))
    select.set("where", tree.args.get("where"))
    check_parts(source, select, start)
    query = Query(source.text[start:end], start, select, length, nested)
    return Change(tuple(name for name, _ in pairs), query, tree.args.get("where") is not None, start)


def _refuse_parts(source: Source, tree: exp.Expr, at: int) -> None:
    if tree.args.get("returning"):
        hint = "The number of rows is told; ask for the rows with SELECT, before or after."
        raise source.error(NotSupported, "RETURNING is not supported", place_of(tree.args["returning"], at), hint)
    for part, word in (("order", "ORDER BY"), ("limit", "LIMIT")):
        if tree.args.get(part):
            hint = "Choose the rows with WHERE: … WHERE id IN (SELECT id FROM table ORDER BY … LIMIT …)."
            message = f"{word} is not supported in {tree.key.upper()}"
            raise source.error(NotSupported, message, place_of(tree.args[part], at), hint)


def _read_beside(tree: exp.Expr) -> list[exp.Join]:
    """What stands in FROM of an UPDATE, in USING of a DELETE, as what is joined with the table that is changed."""
    from_ = tree.args.get("from_")
    items = [from_.this] if from_ is not None else list(tree.args.get("using") or ())
    joins: list[exp.Join] = []
    for item in items:
        more = item.args.get("joins") or []
        item.set("joins", None)
        joins += [exp.Join(this=item), *more]
    return joins


def _assignments(source: Source, tree: exp.Update, at: int) -> list[tuple[Name, exp.Expr]]:
    pairs: list[tuple[exp.Expr, exp.Expr]] = []
    for each in tree.expressions:
        if not isinstance(each, exp.EQ):
            hint = "The form is: UPDATE table SET column = value, … [FROM …] [WHERE …]"
            raise source.error(StatementSyntaxError, "column = value is expected in SET", place_of(each, at), hint)
        left, right = each.this, each.expression
        if not isinstance(left, (exp.Tuple, exp.Paren)):
            pairs.append((left, right))
            continue
        lefts = left.expressions if isinstance(left, exp.Tuple) else [left.this]
        rights = right.expressions if isinstance(right, exp.Tuple) else [right]
        if len(lefts) != len(rights) or any(isinstance(value, exp.Query) for value in rights):
            hint = "Give each column its value: SET a = …, b = …; those of a query come through FROM (…)."
            raise source.error(NotSupported, "SET (…) takes as many values as columns", place_of(left, at), hint)
        pairs += zip(lefts, rights, strict=True)
    return [(_column(source, left, at), _value(source, right, at)) for left, right in pairs]


def _column(source: Source, left: exp.Expr, at: int) -> Name:
    if not isinstance(left, exp.Column) or not isinstance(left.this, exp.Identifier) or left.table:
        hint = "Write the column's name alone: SET column = value."
        raise source.error(StatementSyntaxError, "SET takes the name of a column", place_of(left, at), hint)
    text = left.name if left.this.args.get("quoted") else left.name.lower()
    return Name(text, place_of(left.this, at))


def _value(source: Source, value: exp.Expr, at: int) -> exp.Expr:
    column = value.this if isinstance(value, exp.Column) else None
    if isinstance(column, exp.Identifier) and column.name.upper() == "DEFAULT" and not column.args.get("quoted"):
        hint = "Tables have no defaults: write the value, or NULL."
        raise source.error(NotSupported, "DEFAULT is not supported", place_of(value, at), hint)
    return value
