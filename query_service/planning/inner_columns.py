"""The columns of the query inside a nested PREDICT, in what the query around it says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from query_service.language.options import Name
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

    def fold(self, name: str) -> str:
        """What two names have in common that are the same to the table store."""
        return name.lower() if self.ignores_case else name


Meanings = Mapping[str, exp.Expr | None]
"""What each column of some rows is made of, one level further in; None where that is not there."""


def predicted_meanings(names: tuple[str, ...], statement: Predict, known: Known) -> Meanings:
    """The rows of a PREDICT in terms of those of the query inside it, whose columns go by `names`."""
    meanings: dict[str, exp.Expr | None] = {known.fold(name.text): None for name in added_columns(statement)}
    for name in names:
        key = known.fold(name)
        meanings[key] = None if key in meanings else name_column(name, INNER)
    return meanings


def added_columns(statement: Predict) -> tuple[Name, ...]:
    """The columns that a PREDICT adds, in their order."""
    added = (statement.result_col, statement.confidence_col, statement.words_col, statement.error_col)
    return tuple(name for name in added if name is not None)


def name_column(name: str, table: str) -> exp.Column:
    """A column as a query names it; `table` may be empty."""
    quoted = not re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return exp.column(exp.to_identifier(name, quoted=quoted), table=exp.to_identifier(table) if table else None)


class InnerColumns:
    """Translates what is said of rows where they are read into what is said of those that they are made of.

    Args:
        place: Where it is said.
        meanings: Of their columns.
        known: What other tables have.
    """

    def __init__(self, place: Place, meanings: Meanings, known: Known) -> None:
        self.place = place
        self._meanings = meanings
        self._known = known
        self._fold = known.fold
        self._aliases = {
            self._fold(fold(each.args["alias"])): each.this
            for each in place.select.expressions
            if isinstance(each, exp.Alias)
        }

    def translate(self, expression: exp.Expr) -> exp.Expr | None:
        """The same of the inner rows; None where it is of more than them, or may not be computed earlier."""
        if not is_row_by_row(expression):
            return None
        inner = exp.Paren(this=expression.copy())  # so that there is always something around a column
        for column in list(inner.find_all(exp.Column)):
            meaning = self._find(column)
            if meaning is None:
                return None
            meaning = meaning.copy()
            if isinstance(meaning, exp.Column) and column.this.args.get("quoted"):
                meaning.this.set("quoted", True)
            column.replace(meaning if isinstance(meaning, exp.Column) else exp.Paren(this=meaning))
        translated: exp.Expr = inner.this
        return translated

    def translate_key(self, key: exp.Expr) -> exp.Expr | None:
        """The same for a key of ORDER BY, where a name may be that of a column of the result."""
        if not isinstance(key, exp.Ordered) or isinstance(key.this, exp.Literal) or key.args.get("with_fill"):
            return None
        column = key.this
        if isinstance(column, exp.Column) and self._is_alias(column):
            translated = self.translate(self._aliases[self._fold(fold(column.this))])
        elif any(map(self._is_alias, column.find_all(exp.Column))):
            return None
        else:
            translated = self.translate(column)
        if translated is None or translated.find(exp.Column) is None:
            return None
        ordered = key.copy()
        ordered.set("this", translated)
        return ordered

    def _is_alias(self, column: exp.Column) -> bool:
        """Whether a name in ORDER BY is that of a column of the result."""
        return not column.table and self._fold(fold(column.this)) in self._aliases

    def _find(self, column: exp.Column) -> exp.Expr | None:
        if not isinstance(column.this, exp.Identifier) or column.args.get("db"):
            return None
        name: exp.Expr | None = self._meanings.get(self._fold(fold(column.this)))
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
