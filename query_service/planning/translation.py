"""Translates queries as users write them into the SQL of the table store."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from query_service.language.source import Source
from query_service.language.tokens import StatementDialect
from thanosql.errors import NotSupported

Shape = Callable[[exp.Expr], exp.Expr]
"""Makes of a query over the rows to be changed the UPDATE or DELETE that changes them."""

_NAMED_AFTER_THEMSELVES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Lower, exp.Upper, exp.Length, exp.Round)
"""Calls that give their name to a column without one, as in PostgreSQL."""


def translate(source: Source, at: int, tree: exp.Expr, dialect: str, shape: Shape | None = None) -> str:
    """A query in the SQL of the table store, with names folded as PostgreSQL folds them; changes the tree.

    Args:
        source: The user's text.
        at: Where the query begins in it.
        tree: The query.
        dialect: sqlglot's name of the store's SQL.
        shape: Makes something else of the query in the end.

    Raises:
        NotSupported: it holds what the store's SQL has no form for.
    """
    try:
        tree = normalize_identifiers(tree, dialect=StatementDialect)
        tree = tree if shape is None else shape(tree)
        if dialect == "postgres":
            tree = tree.transform(_spell_bytes, copy=False)
        return tree.sql(dialect, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        reason = str(error).splitlines()[0] if str(error) else "a part of it cannot be translated"
        raise source.error(NotSupported, f"the query cannot run here: {reason}", at) from error
    except RecursionError:
        raise
    except Exception as error:  # sqlglot trips over some trees that make no sense
        raise source.error(NotSupported, "the query cannot be translated for the table store", at) from error


def _spell_bytes(node: exp.Expr) -> exp.Expr:
    """Bytes of a parameter as PostgreSQL has them."""
    if not isinstance(node, exp.Unhex):
        return node
    return exp.Anonymous(this="decode", expressions=[node.this, exp.Literal.string("hex")])


def name_columns(tree: exp.Expr) -> None:
    """Gives each call that has no alias the name that it has in PostgreSQL: `count` for count(*)."""
    for select in list(tree.find_all(exp.Select)):
        taken = {each.output_name for each in select.expressions}
        for each in list(select.expressions):
            call = each.this if isinstance(each, exp.Window) else each
            if not isinstance(call, _NAMED_AFTER_THEMSELVES):
                continue
            name = call.sql_name().lower()
            # Two columns of one name would be hard to tell apart: the second keeps the store's name for it.
            if name not in taken:
                taken.add(name)
                each.replace(exp.alias_(each.copy(), name))
