"""Values of parameters as parts of a query's tree: as literals, never as text that is read again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite

from sqlglot import exp

from query_service.language.source import Source, place_of
from thanosql.errors import DataError, NotSupported, StatementError
from thanosql.parameters import Single, Value

_MOST_DIGITS = 38
"""Of a decimal number, in DuckDB; in PostgreSQL there may be more."""
A_VALUE = "A parameter is a value. Names of tables, columns and models are a part of the statement: write them into it."


def bind_parameters(source: Source, tree: exp.Expr, values: Mapping[str, Value], at: int) -> exp.Expr:
    """The tree with a literal in place of each parameter; changes it.

    Args:
        source: The user's text.
        tree: As it was parsed: a parameter is a `Placeholder` that has the text of its token.
        values: By those texts.
        at: Where the tree begins in the text, for parameters that have no place.

    Raises:
        StatementError: one stands where no value can, or a list where a single value must.
        DataError: a value has no form in SQL.
    """
    for node in [each for each in tree.find_all(exp.Placeholder) if each.name in values]:
        value, place, parent = values[node.name], place_of(node, at), node.parent
        if isinstance(parent, exp.Ordered | exp.Group):
            raise source.error(
                StatementError, f"{node.name} cannot stand for a column to sort or group by", place, A_VALUE
            )
        if isinstance(parent, exp.Table | exp.Identifier):
            raise source.error(StatementError, f"{node.name} cannot stand for a name", place, A_VALUE)
        try:
            literal = _list(value) if isinstance(value, tuple) else make_literal(value)
        except DataError as error:
            raise source.placed(DataError(f"{node.name}: {error.message}", hint=error.hint), place) from None
        if isinstance(value, tuple) and isinstance(parent, exp.In):
            tree = _bind_list(source, tree, node, [make_literal(each) for each in value], place)
            continue
        if isinstance(parent, exp.In) and node.arg_key == "field":
            hint = f"Give a list, or write IN ({node.name})."
            raise source.error(StatementError, f"{node.name} behind IN is no list", place, hint)
        if isinstance(parent, exp.Limit | exp.Offset) and (isinstance(value, bool) or not isinstance(value, int)):
            word = parent.key.upper()
            raise source.error(StatementError, f"{node.name} behind {word} is no whole number", place, "Give an int.")
        if isinstance(parent, exp.Select) and node.arg_key == "expressions":
            # The store would name the column after the value.
            name = node.name[1:] if node.name[0] == ":" else f"parameter_{node.name[1:]}"
            literal = exp.alias_(literal, name, quoted=True)
        literal.meta["start"] = place
        if node is tree:
            return literal
        node.replace(literal)
    return tree


def _list(value: tuple[Single, ...]) -> exp.Expr:
    return exp.Array(expressions=[make_literal(each) for each in value])


def _bind_list(source: Source, tree: exp.Expr, node: exp.Expr, literals: list[exp.Expr], place: int) -> exp.Expr:
    """`x IN :names` and `x IN (:names, …)` with the list in place; nothing is in an empty one."""
    within = node.parent
    if not isinstance(within, exp.In):  # as it was asked for
        raise source.error(NotSupported, "a list cannot stand here", place)
    if node.arg_key == "field":
        within.set("field", None)
        within.set("expressions", literals)
    else:
        others = [each for each in within.expressions if each is not node]
        index = next(i for i, each in enumerate(within.expressions) if each is node)
        within.set("expressions", [*others[:index], *literals, *others[index:]])
    if within.expressions:
        return tree
    never = exp.false()
    if within is tree:
        return never
    within.replace(never)
    return tree


def make_literal(value: Single) -> exp.Expr:
    """A value as a part of a query.

    Raises:
        DataError: it has no form in SQL.
    """
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        name = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return _cast(repr(value) if isfinite(value) else name, "DOUBLE")
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, bytes):
        return exp.Unhex(this=exp.Literal.string(value.hex()))
    if isinstance(value, datetime):  # before date, which it is too
        return _cast(value.isoformat(" "), "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ")
    if isinstance(value, timedelta):
        seconds = value.days * 86_400 + value.seconds
        return _cast(f"{seconds} seconds {value.microseconds} microseconds", "INTERVAL")
    if isinstance(value, time):
        if value.tzinfo is not None:
            raise DataError("a time of day with a zone", hint="Give a datetime, or the time without its zone.")
        return _cast(value.isoformat(), "TIME")
    assert isinstance(value, date)
    return _cast(value.isoformat(), "DATE")


def _whole(value: int) -> exp.Expr:
    if -(2**63) < value < 2**63:
        number = exp.Literal.number(abs(value))
        # In parentheses: -2 ^ 2 and -2::text are something else than (-2) ^ 2.
        return number if value >= 0 else exp.Paren(this=exp.Neg(this=number))
    return _cast(str(value), "BIGINT") if value == -(2**63) else _decimal(Decimal(value))


def _decimal(value: Decimal) -> exp.Expr:
    if not value.is_finite():
        raise DataError(f"the decimal number {value} has no form in SQL", hint="Give float('nan') or float('inf').")
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale)
    if precision > _MOST_DIGITS:
        message = f"a number of {precision} digits, more than the {_MOST_DIGITS} that a decimal number may have"
        raise DataError(message, hint="Round it, or give a float.")
    return _cast(format(value, "f"), f"DECIMAL({max(precision, 1)}, {scale})")


def _cast(text: str, kind: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), exp.DataType.build(kind, dialect="postgres"))
