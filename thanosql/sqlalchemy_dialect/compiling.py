"""What SQLAlchemy's statements are in SQL: PostgreSQL's words, which the dialect takes, and tables made by a query."""

# ruff: noqa: ARG002 (the arguments are SQLAlchemy's)
from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc, schema
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGTypeCompiler
from sqlalchemy.sql.compiler import DDLCompiler

NO_INDEX = "-- tables have no indexes"
"""What becomes of CREATE INDEX and DROP INDEX; it is not sent."""

_NAME = re.compile(r"[^\W\d]\w*")


class StatementCompiler(PGCompiler):
    """Queries and changes of rows."""

    def bindparam_string(self, name: str, *places: Any, **more: Any) -> str:
        """`:name`; a name that is no word, as that of a column may be, is spelt so that no other becomes the same."""
        if not _NAME.fullmatch(name) and not more.get("escaped_from"):
            more["escaped_from"] = name
            name = "p_" + re.sub(r"\W", lambda found: f"_x{ord(found[0]):x}_", name)
        text: str = super().bindparam_string(name, *places, **more)
        return text

    def for_update_clause(self, select: Any, **more: Any) -> str:
        """Nothing: there is no transaction that would hold a lock."""
        return ""


class TypeCompiler(PGTypeCompiler):
    """Names of types."""

    def visit_FLOAT(self, type_: Any, **_: Any) -> str:  # noqa: N802 - SQLAlchemy's name
        """`real`, or `double precision` where more than 24 binary digits are wanted, or nothing is said."""
        return "REAL" if type_.precision is not None and type_.precision <= 24 else "DOUBLE PRECISION"


class TableCompiler(DDLCompiler):
    """Makes and drops tables.

    A table has columns with types and nothing else. Keys and constraints of a model are for SQLAlchemy's own use, and
    are not enforced; what would give a column values by itself is refused, for those would be missing.
    """

    def visit_create_table(self, create: Any, **_: Any) -> str:
        """A query of no rows, whose columns are the table's."""
        table = create.element
        columns = [each.element for each in create.columns if not each.element.system]
        fields = ", ".join(f"CAST(NULL AS {self._type_of(table, each)}) AS {self._name(each)}" for each in columns)
        if not fields:
            raise exc.CompileError(f"table {table.name!r} has no columns: it needs at least one")
        optional = "IF NOT EXISTS " if create.if_not_exists else ""
        return f"CREATE TABLE {optional}{self.preparer.format_table(table)} AS SELECT {fields} WHERE false"

    def visit_create_index(self, create: Any, *_: Any, **__: Any) -> str:
        """Nothing: tables are read by columns."""
        return NO_INDEX

    def visit_drop_index(self, drop: Any, *_: Any, **__: Any) -> str:
        """Nothing."""
        return NO_INDEX

    def _name(self, column: schema.Column[Any]) -> str:
        name: str = self.preparer.format_column(column)
        return name

    def _type_of(self, table: schema.Table, column: schema.Column[Any]) -> str:
        if column.server_default is not None or column.computed is not None or column.identity is not None:
            raise exc.CompileError(
                f"column {column.name!r} of table {table.name!r} would get values by itself, which is not supported: "
                "give default=… in place of server_default=…, and values for the others"
            )
        kind: str = self.dialect.type_compiler_instance.process(column.type, type_expression=column)
        return kind
