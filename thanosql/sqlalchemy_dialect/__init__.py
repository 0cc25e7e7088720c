"""SQLAlchemy's dialect `thanosql://`: for pandas, JupySQL, and tools that draw what a database holds.

    engine = sqlalchemy.create_engine("thanosql://:token@host:8470")
    pandas.read_sql("PREDICT USING our_words AS SELECT * FROM calls", engine)

The address is read by `thanosql.sqlalchemy_dialect.addresses`. Every statement takes effect by itself; there are no
transactions, keys, constraints or indexes, and a row has no number that would be made for it.
"""

# ruff: noqa: ARG002 (the arguments are SQLAlchemy's)
from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.engine import URL, Connection, reflection
from sqlalchemy.engine.default import DefaultDialect

from thanosql.dbapi.errors import InterfaceError
from thanosql.errors import Unavailable, UnknownTable
from thanosql.sqlalchemy_dialect.addresses import read_address
from thanosql.sqlalchemy_dialect.column_types import to_type
from thanosql.sqlalchemy_dialect.compiling import NO_INDEX, StatementCompiler, TableCompiler, TypeCompiler

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import IsolationLevel


class ThanoSQLDialect(DefaultDialect):
    """What SQLAlchemy has to know."""

    name = "thanosql"
    driver = "dbapi"
    default_paramstyle = "named"
    statement_compiler = StatementCompiler
    ddl_compiler = TableCompiler
    type_compiler_cls = TypeCompiler
    preparer = PGIdentifierPreparer

    supports_statement_cache = True
    supports_native_boolean = True
    supports_native_decimal = True
    supports_native_enum = False
    supports_schemas = False
    supports_alter = False
    supports_default_values = False
    supports_default_metavalue = False
    supports_empty_insert = False
    supports_multivalues_insert = True
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = False
    supports_comments = False
    insert_returning = update_returning = delete_returning = False
    postfetch_lastrowid = False
    # PGCompiler asks for these.
    _backslash_escapes = False
    _supports_jsonb_subscripting = False

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """The driver."""
        from thanosql import dbapi

        return dbapi

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        """What the driver's `connect` is given."""
        return [], read_address(url)

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Runs a statement."""
        if statement != NO_INDEX:
            cursor.execute(statement, parameters or None)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        """Runs a statement that goes as it is."""
        self.do_execute(cursor, statement, None)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing: SQLAlchemy ends every use of a connection so, also one that has only read."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Tells the connection that what has changed is meant to stay."""
        dbapi_connection.commit()

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether another connection may fare better."""
        return isinstance(e, InterfaceError) or isinstance(e.__cause__, Unavailable)

    def get_isolation_level_values(self, dbapi_conn: Any) -> Sequence[IsolationLevel]:
        """Every statement by itself, and nothing else."""
        return ["AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> IsolationLevel:
        """Always the same."""
        return "AUTOCOMMIT"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Nothing: it is so already."""

    def get_default_isolation_level(self, dbapi_conn: Any) -> IsolationLevel:
        """Without asking anybody."""
        return "AUTOCOMMIT"

    def has_table(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        """Whether there is a table of that name."""
        return table_name in self.get_table_names(connection, schema, **kw)

    @reflection.cache
    def get_table_names(self, connection: Connection, schema: str | None = None, **_: Any) -> list[str]:
        """The tables; none of a schema, for there are no schemas."""
        if schema:
            return []
        return [row[0] for row in connection.exec_driver_sql("LIST TABLES")]

    @reflection.cache
    def get_columns(self, connection: Connection, table_name: str, schema: str | None = None, **_: Any) -> list[Any]:
        """The columns of a table, with their types.

        Raises:
            NoSuchTableError: there is none of that name.
        """
        if schema:
            raise exc.NoSuchTableError(f"{schema}.{table_name}")
        name = self.identifier_preparer.quote_identifier(table_name)
        try:
            rows = connection.exec_driver_sql(f"DESCRIBE TABLE {name}").fetchall()
        except exc.DBAPIError as error:
            if isinstance(getattr(error.orig, "__cause__", None), UnknownTable):
                raise exc.NoSuchTableError(table_name) from None
            raise
        return [
            {"name": column, "type": to_type(kind), "nullable": True, "default": None, "autoincrement": False}
            for column, kind in rows
        ]

    def get_schema_names(self, connection: Connection, **_: Any) -> list[str]:
        """There are no schemas."""
        return []

    def get_view_names(self, connection: Connection, schema: str | None = None, **_: Any) -> list[str]:
        """There are no views."""
        return []

    def get_pk_constraint(self, connection: Connection, table_name: str, schema: str | None = None, **_: Any) -> Any:
        """There are no keys."""
        return {"constrained_columns": [], "name": None}

    def _none(self, connection: Connection, table_name: str, schema: str | None = None, **_: Any) -> list[Any]:
        """Tables have columns, and nothing of this kind."""
        return []

    get_foreign_keys = get_indexes = get_unique_constraints = get_check_constraints = _none
