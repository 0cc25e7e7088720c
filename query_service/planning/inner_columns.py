"""The columns of the query inside a nested PREDICT, in what the query around it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from query_service.language.statements import Predict
from query_service.planning.definitions import fold
from query_service.planning.places import Place
from query_service.planning.row_by_row import is_row_by_row

INNER = "rows"
"""What the rows of the inner query are called where a condition is put on them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of columns before a statement is narrowed."""

    tables: Mapping[str, tuple[str, ...]]
    """Those of each table; in lower case where case is ignored."""
    inner: Mapping[str, tuple[str, ...] | None]
    """Those of the query inside each nested PREDICT, by its relation; None where they are not known."""
    ignores_case: bool
    """The table store takes names for the same that differ in case."""


class InnerColumns:
    """Translates what is said of a nested PREDICT's rows into what is said of the rows of the query inside it.

    Args:
        place: Where it is said.
        names: Of the inner query's columns.
        statement: The PREDICT, whose own columns cannot be translated.
        known: What other tables have.
    """

    def __init__(self, place: Place, names: tuple[str, ...], statement: Predict, known: Known) -> None:
        self.place = place
        self._known = known
        self._fold = str.lower if known.ignores_case else str
        added = (statement.result_col, statement.confidence_col, statement.words_col, statement.error_col)
        taken = {self._fold(name.text) for name in added if name is not None}
        self._names: dict[str, str | None] = {}
        for name in names:
            key = self._fold(name)
            self._names[key] = None if key in self._names or key in taken else name
        self._aliases = {each.alias: each.this for each in place.select.expressions if isinstance(each, exp.Alias)}

    def translate(self, expression: exp.Expr) -> exp.Expr | None:
        """The same of the inner rows; None where it is of more than them, or may not be computed earlier."""
        if not is_row_by_row(expression):
            return None
        inner = expression.copy()
        for column in list(inner.find_all(exp.Column)):
            name = self._find(column)
            if name is None:
                return None
            column.set("table", exp.to_identifier(INNER))
            column.this.set("quoted", column.this.args.get("quoted") or name != column.name.lower())
            column.this.set("this", name)
        return inner

    def translate_key(self, key: exp.Expr) -> exp.Expr | None:
        """The same for a key of ORDER BY, where a name may be that of a column of the result."""
        if not isinstance(key, exp.Ordered) or isinstance(key.this, exp.Literal) or key.args.get("with_fill"):
            return None
        column = key.this
        if isinstance(column, exp.Column) and not column.table and column.name in self._aliases:
            translated = self.translate(self._aliases[column.name])
        elif any(each.name in self._aliases for each in column.find_all(exp.Column) if not each.table):
            return None
        else:
            translated = self.translate(column)
        if translated is None or translated.find(exp.Column) is None:
            return None
        ordered = key.copy()
        ordered.set("this", translated)
        return ordered

    def _find(self, column: exp.Column) -> str | None:
        if not isinstance(column.this, exp.Identifier) or column.args.get("db"):
            return None
        name = self._names.get(self._fold(fold(column.this)))
        qualifier = column.args.get("table")
        if qualifier is not None:
            same = self._fold(fold(qualifier)) == self._fold(self.place.alias)
            return name if same and self.place.alias else None
        return name if name is not None and self._is_only_here(column.this) else None

    def _is_only_here(self, name: exp.Expr) -> bool:
        """Whether a name without a table can be a column of nothing else in the same FROM."""
        if self.place.is_alone():
            return True
        if self.place.select.args.get("laterals"):
            return False
        joins: list[exp.Join] = self.place.select.args.get("joins") or []
        items = [self.place.select.args["from_"].this, *(join.this for join in joins)]
        used = {self._fold(fold(each)) for join in joins for each in join.args.get("using") or ()}
        wanted = self._fold(fold(name))
        return wanted not in used and all(item is self.place.item or self._lacks(item, wanted) for item in items)

    def _lacks(self, item: exp.Expr, wanted: str) -> bool:
        if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier) or item.args.get("db"):
            return False
        if any(fold(each.args["alias"].this) == fold(item.this) for each in item.root().find_all(exp.CTE)):
            return False
        columns = self._known.tables.get(self._fold(fold(item.this)))
        alias = item.args.get("alias")
        return columns is not None and not (alias and alias.args.get("columns")) and wanted not in columns
