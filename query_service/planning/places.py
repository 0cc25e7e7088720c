"""Where the rows of a nested statement stand in the query that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from query_service.planning.definitions import fold

_PLAIN_PARTS = {"this", "alias", "from_", "expressions", "where", "joins", "with_", "limit", "offset", "order", "group"}
_PLAIN_PARTS |= {"having", "distinct", "windows", "qualify", "hint", "kind", "operation_modifiers", "laterals"}
_PLAIN_KINDS = {"", "INNER", "CROSS", "OUTER"}


@dataclass(frozen=True, slots=True)
class Place:
    """One use of some rows in the FROM of one SELECT."""

    select: exp.Select
    item: exp.Expr
    """What stands in its FROM, or in one of its JOINs: a subquery, or a name of WITH."""
    alias: str
    """The name that it has there; empty where it has none."""
    index: int
    """0: in FROM; else the number of the JOIN, from 1."""

    def is_alone(self) -> bool:
        """Whether nothing else stands in that FROM."""
        return not self.select.args.get("joins") and not self.select.args.get("laterals")

    def missing_before(self, join: int) -> bool:
        """Whether rows of NULLs may stand for this one's where the given JOIN, counted from 1, is made."""
        joins = self.select.args.get("joins") or []
        own = self.index and joins[self.index - 1].side in ("LEFT", "FULL") and self.index < join
        return bool(own) or any(each.side in ("RIGHT", "FULL") for each in joins[self.index : join - 1])

    def filters(self) -> Iterator[tuple[exp.Where | exp.Join, exp.Expr]]:
        """The conditions, each with what holds it, that every row must meet that is of use in this SELECT."""
        joins = self.select.args.get("joins") or []
        where = self.select.args.get("where")
        if where is not None and not self.missing_before(len(joins) + 1):
            yield from ((where, each) for each in _parts(where.this))
        for number, join in enumerate(joins, 1):
            on = join.args.get("on")
            if on is None or number < self.index or self.missing_before(number):
                continue
            is_outer_side = number == self.index if join.side == "RIGHT" else number != self.index
            if join.side == "FULL" or (join.side in ("LEFT", "RIGHT") and is_outer_side):
                continue
            yield from ((join, each) for each in _parts(on))


def find_place(tree: exp.Expr, relation: exp.Table) -> Place | None:
    """Where the rows of a relation are used, if it is one SELECT of a plain form that uses them, once."""
    all_rows = relation.find_ancestor(exp.Select)
    return None if all_rows is None else find_place_of_rows(tree, all_rows)


def find_place_of_rows(tree: exp.Expr, rows: exp.Select) -> Place | None:
    """Where the rows of a SELECT are used, if it is one other of a plain form that uses them, once."""
    holder: exp.Expr | None = rows.parent
    while isinstance(holder, exp.Subquery) and isinstance(holder.parent, exp.Subquery) and not _is_dressed(holder):
        holder = holder.parent
    if isinstance(holder, exp.CTE):
        holder = _only_use(tree, holder)
    if not isinstance(holder, (exp.Subquery, exp.Table)) or _is_dressed(holder, "alias"):
        return None
    alias = holder.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return None
    name = alias.this if alias is not None else holder.this if isinstance(holder, exp.Table) else None
    return _place_of(holder, "" if name is None else fold(name))


def _is_dressed(node: exp.Expr, *but: str) -> bool:
    """Whether there is anything to a node beside what it is of."""
    return any(value for name, value in node.args.items() if name not in ("this", *but))


def _only_use(tree: exp.Expr, definition: exp.CTE) -> exp.Table | None:
    """The one place where a name of WITH is used; None where there are more or none, or where another has the name."""
    with_ = definition.parent
    alias = definition.args["alias"]
    if not isinstance(with_, exp.With) or with_.args.get("recursive") or alias.args.get("columns"):
        return None
    name = fold(alias.this)
    tables = tree.find_all(exp.Table)
    uses = [table for table in tables if isinstance(table.this, exp.Identifier) and fold(table.this) == name]
    names = [each for each in tree.find_all(exp.CTE) if fold(each.args["alias"].this) == name]
    return uses[0] if len(uses) == len(names) == 1 else None


def _place_of(item: exp.Expr, alias: str) -> Place | None:
    around = item.parent
    select = around.parent if around is not None else None
    if not isinstance(around, (exp.From, exp.Join)) or not isinstance(select, exp.Select):
        return None
    if any(value for name, value in select.args.items() if name not in _PLAIN_PARTS):
        return None
    joins = select.args.get("joins") or []
    if any(each.kind not in _PLAIN_KINDS or each.method for each in joins):
        return None
    index = 0 if isinstance(around, exp.From) else next(i for i, each in enumerate(joins, 1) if each is around)
    return Place(select, item, alias, index)


def _parts(condition: exp.Expr) -> Iterator[exp.Expr]:
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if isinstance(condition, exp.And):
        yield from _parts(condition.left)
        yield from _parts(condition.right)
    else:
        yield condition
