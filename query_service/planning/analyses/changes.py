"""Analyses of the statements that make and change tables out of queries."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from query_service.language import statements as s
from query_service.language.options import Name
from query_service.language.source import Source, suggest
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_name, check_table, find_table
from query_service.planning.columns import CheckedQuery, check_query
from query_service.planning.result_columns import find_column
from thanosql.errors import NameTaken, StatementError, UnknownColumn
from thanosql.types import IfExists, Snapshot, Table


def _create_table(statement: s.CreateTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    check_name(statement.table, "table", source)
    exists = find_table(statement.table.text, snapshot) is not None
    if exists and statement.if_exists is IfExists.FAIL and not statement.if_not_exists:
        hint = "CREATE OR REPLACE TABLE replaces it, INSERT INTO adds to it."
        raise source.error(NameTaken, f"there is a table {statement.table} already", statement.table.at, hint)
    query = check_query(source, statement.query, snapshot)
    if exists and statement.if_not_exists:
        return (p.KeepTable(statement.table),)
    _refuse_twice([Name(name, statement.query.at) for name in query.columns or ()], "the query has", source)
    return (p.WriteTable(query.query, statement.table, (), statement.if_exists),)


def _insert(statement: s.Insert, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    table = check_table(statement.table, snapshot, source)
    columns = tuple(_column(name, table, source) for name in statement.columns)
    _refuse_twice(columns, "INSERT names", source)
    query = check_query(source, statement.query, snapshot)
    _check_count(statement, table, query, source)
    return (p.WriteTable(query.query, Name(table.name, statement.table.at), columns, IfExists.APPEND),)


def _update(statement: s.Update, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    table = check_table(statement.table, snapshot, source)
    columns = [_column(name, table, source) for name in statement.columns]
    _refuse_twice(columns, "UPDATE sets", source)

    def shape(select: exp.Expr) -> exp.Expr:
        changed, from_ = _take_apart(select)
        values = [each.this if isinstance(each, exp.Alias) else each for each in select.expressions]
        pairs = [
            exp.EQ(this=exp.column(exp.to_identifier(name.text, quoted=True)), expression=value)
            for name, value in zip(columns, values, strict=True)
        ]
        item = exp.From(this=from_) if from_ is not None else None
        return exp.Update(this=changed, expressions=pairs, from_=item, where=select.args.get("where"))

    query = check_query(source, statement.query, snapshot, shape)
    return (p.ChangeTable(query.query, Name(table.name, statement.table.at), not statement.has_where),)


def _delete(statement: s.Delete, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    table = check_table(statement.table, snapshot, source)

    def shape(select: exp.Expr) -> exp.Expr:
        changed, from_ = _take_apart(select)
        return exp.Delete(this=changed, using=[from_] if from_ is not None else None, where=select.args.get("where"))

    query = check_query(source, statement.query, snapshot, shape)
    return (p.ChangeTable(query.query, Name(table.name, statement.table.at), not statement.has_where),)


def _take_apart(select: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """The table that is changed, and what is read beside it: one item that the others are joined with."""
    joins: list[exp.Join] = select.args.get("joins") or []
    if not joins:
        return select.args["from_"].this, None
    item = joins[0].this
    item.set("joins", joins[1:])
    return select.args["from_"].this, item


def _rename_table(statement: s.RenameTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    table = check_table(statement.table, snapshot, source)
    check_name(statement.new_name, "table", source)
    other = find_table(statement.new_name.text, snapshot)
    if other is not None and other != table:
        hint = "Drop it first: DROP TABLE; or choose another name."
        raise source.error(NameTaken, f"there is a table {statement.new_name} already", statement.new_name.at, hint)
    return (p.RenameTable(Name(table.name, statement.table.at), statement.new_name),)


def _rename_column(statement: s.RenameColumn, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    table = check_table(statement.table, snapshot, source)
    column = _column(statement.column, table, source)
    names = [each.name for each in table.columns]
    other = find_column(names, statement.new_name.text)
    if other is not None and names[other] != column.text:
        hint = "Choose another name."
        message = f"{table.name} has a column {statement.new_name} already"
        raise source.error(NameTaken, message, statement.new_name.at, hint)
    return (p.RenameColumn(Name(table.name, statement.table.at), column, statement.new_name),)


def _column(name: Name, table: Table, source: Source) -> Name:
    """The column as the table spells it."""
    names = [column.name for column in table.columns]
    index = find_column(names, name.text)
    if index is None:
        hint = suggest(name.text, names, "columns")
        raise source.error(UnknownColumn, f"{table.name} has no column {name}", name.at, hint)
    return Name(names[index], name.at)


def _refuse_twice(names: Sequence[Name], says: str, source: Source) -> None:
    seen: set[str] = set()
    for name in names:
        if name.text.lower() in seen:
            hint = "Give each column a name of its own, with AS." if says == "the query has" else "Name it once."
            raise source.error(StatementError, f"{says} the column {name} twice", name.at, hint)
        seen.add(name.text.lower())


def _check_count(statement: s.Insert, table: Table, query: CheckedQuery, source: Source) -> None:
    wanted = [name.text for name in statement.columns] or [column.name for column in table.columns]
    if query.count is None or query.count == len(wanted):
        return
    of = "INSERT names" if statement.columns else f"{table.name} has"
    columns = "column" if len(wanted) == 1 else "columns"
    message = f"the query gives {query.count} of the {len(wanted)} {columns} that {of}"
    if query.count > len(wanted):
        message = f"the query gives {query.count} columns, and {of} {len(wanted)}"
    hint = f"The columns are: {', '.join(wanted)}."
    if query.query.columns is not None:
        hint += f" Those of the query: {', '.join(query.query.columns)}."
    if not statement.columns:
        hint += f" For some of them: INSERT INTO {table.name} (columns) query."
    raise source.error(StatementError, message, statement.query.at, hint)


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.CreateTable: _create_table,
    s.Insert: _insert,
    s.Update: _update,
    s.Delete: _delete,
    s.RenameTable: _rename_table,
    s.RenameColumn: _rename_column,
}
