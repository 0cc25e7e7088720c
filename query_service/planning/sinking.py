"""Takes conditions and limits through SELECTs that only hand rows on, to the one that reads a nested PREDICT."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from query_service.planning.definitions import fold
from query_service.planning.inner_columns import InnerColumns, Known, Meanings, name_column
from query_service.planning.places import Place, find_place, find_place_of_rows
from query_service.planning.row_by_row import count_of, is_row_by_row, keeps_rows, limits_of


def sink(tree: exp.Expr, relation: exp.Table, names: Sequence[str], known: Known) -> None:
    """Moves what is asked of the rows of a relation as near to it as the SELECTs between let it; changes the tree.

    Args:
        tree: The query.
        relation: Stands for the nested PREDICT.
        names: Of all its columns.
        known: What other tables have.
    """
    steps: list[tuple[exp.Select, Place, Meanings]] = []
    place = find_place(tree, relation)
    while place is not None and keeps_rows(place.select) and not limits_of(place.select):
        upper = find_place_of_rows(tree, place.select)
        found = _meanings(place, names, known)
        if upper is None or found is None:
            break
        names, meanings = found
        steps.append((place.select, upper, meanings))
        place = upper
    for select, upper, meanings in reversed(steps):
        _sink_one_level(select, InnerColumns(upper, meanings, known))


def _sink_one_level(select: exp.Select, columns: InnerColumns) -> None:
    """Moves what the SELECT around asks of the rows of this one."""
    around = columns.place.select
    for holder, condition in list(columns.place.filters()):
        inner = columns.translate(condition)
        if inner is not None:
            select.where(inner, copy=False)
            if isinstance(holder, exp.Where):
                take_away(around, condition)
    limits, order = limits_of(around), around.args.get("order")
    if not columns.place.is_alone() or not keeps_rows(around) or around.args.get("where") is not None:
        return
    keys = [columns.translate_key(key) for key in order.expressions] if order is not None else []
    if limits and all(count_of(limit) is not None for limit in limits) and None not in keys:
        if keys:
            select.set("order", exp.Order(expressions=keys))
        for part in ("limit", "offset"):
            select.set(part, around.args.get(part))
            around.set(part, None)


def take_away(select: exp.Select, condition: exp.Expr) -> None:
    """Takes a part of the WHERE away."""
    around = condition.parent
    while isinstance(around, exp.Paren):
        condition, around = around, around.parent
    if isinstance(around, exp.And):
        around.replace(around.right if condition is around.left else around.left)
    else:
        select.set("where", None)


def _meanings(place: Place, names: Sequence[str], known: Known) -> tuple[list[str], Meanings] | None:
    """The columns that a SELECT gives, and what each is made of; None where they are not all known."""
    given: list[str] = []
    meanings: dict[str, exp.Expr | None] = {}
    for item in place.select.expressions:
        column = item.this if isinstance(item, exp.Column) else item
        if isinstance(column, exp.Star):
            table = item.args.get("table")
            is_of_place = known.fold(fold(table)) == known.fold(place.alias) if table is not None else place.is_alone()
            if any(column.args.values()) or not is_of_place:
                return None
            new = [(name, name_column(name, place.alias)) for name in names]
        elif isinstance(item, (exp.Alias, exp.Column)):
            name = item.args["alias"] if isinstance(item, exp.Alias) else item.this
            new = [(fold(name), item.this if isinstance(item, exp.Alias) else item)]
        else:
            continue
        for text, meaning in new:
            key = known.fold(text)
            meanings[key] = None if key in meanings or not is_row_by_row(meaning) else meaning
            given.append(text)
    return given, meanings
