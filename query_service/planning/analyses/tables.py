"""Analyses of the statements about tables."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.source import Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_name, check_table, find_table
from query_service.planning.columns import check_query
from thanosql.errors import NameTaken
from thanosql.types import IfExists, Snapshot


def _select(statement: s.Select, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    return (p.FetchRows(check_query(source, statement.query, snapshot).query),)


def _copy(statement: s.Copy, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    check_name(statement.table, "table", source)
    if statement.if_exists is IfExists.FAIL and find_table(statement.table.text, snapshot) is not None:
        hint = "OPTIONS (overwrite=True) replaces it, OPTIONS (if_exists='append') adds to it."
        raise source.error(NameTaken, f"there is a table {statement.table} already", statement.table.at, hint)
    return (p.CopyFile(statement.table, statement.path, statement.if_exists, statement.audio_col, statement.sheet),)


def _drop_table(statement: s.DropTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    if not statement.if_exists:
        check_table(statement.table, snapshot, source)
    return (p.RemoveTable(statement.table, statement.if_exists),)


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.Select: _select,
    s.Copy: _copy,
    s.DropTable: _drop_table,
}
