"""Spells names of a query as its tables do, for a table store that tells capital letters from small ones.

In DuckDB a column `Speaker` is found as speaker, SPEAKER and "Speaker"; in PostgreSQL only as "Speaker", which
surprises everybody whose csv file has capital letters in its first line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from query_service.language.inner_query import Query
from query_service.planning.relations import relations_in
from thanosql.types import Snapshot


def spell_names(query: Query, snapshot: Snapshot) -> Query:
    """A query with names that are not quoted as the tables have them, where that is the only way to read them.

    A column's name is changed wherever it stands in the query, also as the alias of something else, so that what
    meant one thing still does. Names keep their place in the user's text.
    """
    if snapshot.sql_dialect == "duckdb":
        return query
    there = {table.name: tuple(column.name for column in table.columns) for table in snapshot.tables}
    there |= {relation.name: relation.columns or () for relation in relations_in(snapshot)}
    if not _spellings([*there, *(name for columns in there.values() for name in columns)]):
        return query
    tree = query.tree.copy()
    read = _spell_tables(tree, there)
    spellings = _spellings(name for table in read for name in there[table])
    for identifier in _names_of_columns(tree):
        if not identifier.args.get("quoted"):
            _spell(identifier, spellings)
    return replace(query, tree=tree)


def _spell_tables(tree: exp.Expr, there: Mapping[str, object]) -> list[str]:
    """Spells the names of tables; the names of those that the query reads or changes."""
    spellings = _spellings(there)
    with_names = {each.alias.lower() for each in tree.find_all(exp.CTE)}
    read: list[str] = []
    for node in tree.find_all(exp.Table):
        identifier = node.this
        if not isinstance(identifier, exp.Identifier) or node.args.get("db"):
            continue
        written = identifier.name
        quoted = identifier.args.get("quoted")
        spelt = not quoted and written.lower() not in with_names and _spell(identifier, spellings)
        if spelt and not node.alias:  # what stood before a column's point still does
            node.set("alias", exp.TableAlias(this=exp.to_identifier(written.lower())))
        name = identifier.name if quoted or identifier.args.get("quoted") else written.lower()
        if name in there:
            read.append(name)
    return read


def _names_of_columns(tree: exp.Expr) -> Iterator[exp.Identifier]:
    """Every identifier that names a column, or something that may be read as one."""
    for node in tree.walk():
        if isinstance(node, exp.Column):
            names: Iterable[object] = [node.this]
        elif isinstance(node, exp.TableAlias):
            names = node.args.get("columns") or ()
        elif isinstance(node, exp.Alias):
            names = [node.args.get("alias")]
        elif isinstance(node, exp.Join):
            names = node.args.get("using") or ()
        elif isinstance(node, exp.Schema):
            names = node.expressions
        else:
            continue
        yield from (name for name in names if isinstance(name, exp.Identifier))


def _spellings(names: Iterable[str]) -> dict[str, str]:
    """The spelling of each name that is not all small letters, by its small letters, where there is only one."""
    by_fold: dict[str, set[str]] = {}
    for name in names:
        by_fold.setdefault(name.lower(), set()).add(name)
    return {fold: next(iter(all)) for fold, all in by_fold.items() if len(all) == 1 and all != {fold}}


def _spell(identifier: exp.Identifier, spellings: Mapping[str, str]) -> bool:
    spelling = spellings.get(identifier.name.lower())
    if spelling is None:
        return False
    identifier.set("this", spelling)
    identifier.set("quoted", True)
    return True
